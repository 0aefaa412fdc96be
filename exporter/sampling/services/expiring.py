"""A set that forgets."""

from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)


class ExpiringSet(Generic[_Key]):
    """A set whose members leave it when they were not seen for ``seconds``."""

    __slots__ = ("_last_seen", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last_seen: dict[_Key, float] = {}

    def see(self, keys: Iterable[_Key], now: float) -> None:
        """Remember keys seen at ``now`` on a monotonic clock, and forget what has expired by then."""
        self._last_seen.update(dict.fromkeys(keys, now))
        self.forget(now)

    def forget(self, now: float) -> None:
        """Forget what has expired by ``now``."""
        oldest = now - self._seconds
        for key in [key for key, last_seen in self._last_seen.items() if last_seen < oldest]:
            del self._last_seen[key]

    def discard(self, keys: Iterable[_Key]) -> None:
        """Forget some keys at once."""
        for key in list(keys):
            self._last_seen.pop(key, None)

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._last_seen)

    def __contains__(self, key: object) -> bool:
        return key in self._last_seen

    def __len__(self) -> int:
        return len(self._last_seen)
