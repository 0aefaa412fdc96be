"""Remember what was seen lately."""

from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)


class Recent(Generic[_Key]):
    """A set whose members leave it when they were not seen for ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last_seen: dict[_Key, float] = {}

    def see(self, keys: Iterable[_Key], now: float) -> None:
        """Take note of keys seen at ``now`` on a monotonic clock, and forget what has gone stale by then."""
        self._last_seen.update(dict.fromkeys(keys, now))
        self.forget(now)

    def forget(self, now: float) -> None:
        """Forget what has gone stale by ``now``."""
        oldest = now - self._seconds
        for key in [key for key, last_seen in self._last_seen.items() if last_seen < oldest]:
            del self._last_seen[key]

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._last_seen)

    def __contains__(self, key: object) -> bool:
        return key in self._last_seen

    def __len__(self) -> int:
        return len(self._last_seen)
