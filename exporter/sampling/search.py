"""Look things up by a number where all have to be walked through: a bit of the way in every pass."""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from time import monotonic
from typing import Final, Generic, TypeVar

Found = TypeVar("Found")
Begin = Callable[[AbstractSet[int]], Iterator[tuple[int, Found] | None]]
"""Begins a walk for the wanted, which may change on the way; None is yielded where the walk may pause."""

RETRY_SECONDS: Final = 60


class Search(Generic[Found]):
    """Remembers what was found as long as it is asked for, and for a while what was not there."""

    def __init__(self) -> None:
        self._found: dict[int, Found] = {}
        self._wanted: set[int] = set()
        self._wanted_too_late: set[int] = set()
        self._missing: set[int] = set()
        self._forgot_missing_at = 0.0
        self._walk: Iterator[tuple[int, Found] | None] | None = None

    def find(
        self, keys: AbstractSet[int], begin: Begin[Found], now: float, limit_seconds: float
    ) -> Mapping[int, Found]:
        """Return what has been found by now of the keys, after no more than ``limit_seconds``.

        ``now`` is on the monotonic clock.
        """
        if now - self._forgot_missing_at >= RETRY_SECONDS:
            self._missing.clear()
            self._forgot_missing_at = now
        self._missing &= keys
        for key in [key for key in self._found if key not in keys]:
            del self._found[key]
        found, missing, wanted = self._found, self._missing, self._wanted
        new = [key for key in keys if key not in found and key not in missing and key not in wanted]
        self._wanted.intersection_update(keys)
        self._wanted.update(new)
        self._wanted_too_late &= keys
        if self._walk is not None:
            self._wanted_too_late.update(new)
        elif self._wanted:
            self._walk = begin(self._wanted)
            self._wanted_too_late.clear()
        walk, self._walk = self._walk, None  # one that fails is over
        if walk is not None and not self._go_on(walk, monotonic() + limit_seconds):
            self._walk = walk
        return self._found

    def _go_on(self, walk: Iterator[tuple[int, Found] | None], deadline: float) -> bool:
        """Walk on, and tell whether the walk has come to its end."""
        if not self._wanted:
            return True
        for step in walk:
            if step is not None:
                key, self._found[key] = step
                self._wanted.discard(key)
                if not self._wanted:
                    return True
            if monotonic() > deadline:
                return False
        self._missing |= self._wanted - self._wanted_too_late
        self._wanted &= self._wanted_too_late
        return True
