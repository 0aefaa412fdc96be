"""Look up numbers that only a walk over everything finds, a part of the walk in every pass."""

import math
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from time import monotonic
from typing import Final, Generic, TypeVar

from exporter.config.settings import Settings
from exporter.kernel.procfs import Procfs
from exporter.sampling.reading.reader import FILE_SECONDS, KernelReader

Found = TypeVar("Found")
Begin = Callable[[Procfs, AbstractSet[int]], Iterator[tuple[int, Found] | None]]
"""Begins a walk for the wanted numbers, which may change on the way; yields None where the walk may pause."""

RETRY_SECONDS: Final = 60


_SHARE_OF_BUDGET: Final = 0.25  # for each lookup
_LONGEST_SECONDS: Final = 1.0


def lookup_seconds(settings: Settings) -> float:
    """Return how long a lookup may take in one pass."""
    if math.isinf(settings.cpu_budget):  # no later pass continues the lookup
        return settings.timeout_seconds
    share = settings.interval_seconds * settings.cpu_budget * _SHARE_OF_BUDGET
    return min(share, _LONGEST_SECONDS)


class IncrementalLookup(Generic[Found]):
    """Remembers what was found for as long as it is wanted, and what was not found for a minute.

    ``name`` identifies its reads.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._keys: AbstractSet[int] = frozenset()
        self._found: dict[int, Found] = {}
        self._wanted: set[int] = set()
        self._added_late: set[int] = set()
        self._missing: set[int] = set()
        self._forgot_missing_at = 0.0
        self._walk: Iterator[tuple[int, Found] | None] | None = None

    def find(
        self,
        keys: AbstractSet[int],
        begin: Begin[Found],
        reader: KernelReader,
        now: float,
        limit_seconds: float,
    ) -> Mapping[int, Found]:
        """Return what is known of the keys, after at most ``limit_seconds``.

        ``now`` is on the monotonic clock. Raises HangError, and what the walk raises; the next call starts
        the walk again.
        """
        if now - self._forgot_missing_at >= RETRY_SECONDS:
            self._missing.clear()
            self._forgot_missing_at = now
        elif keys == self._keys and not self._wanted:
            return self._found  # all that follows would change nothing
        self._keys = frozenset(keys)
        self._missing &= keys
        for key in self._found.keys() - keys:
            del self._found[key]
        new = keys - self._found.keys() - self._missing - self._wanted
        self._wanted.intersection_update(keys)
        self._wanted.update(new)
        self._added_late &= keys
        walk, self._walk = self._walk, None  # a walk that fails or hangs is dropped
        if walk is not None:
            self._added_late.update(new)
        if self._wanted:
            deadline = monotonic() + limit_seconds
            self._walk = reader.read(
                self._name,
                lambda procfs: self._continue(walk, begin, procfs, deadline),
                limit_seconds + FILE_SECONDS,
            )
        return self._found

    def _continue(
        self,
        walk: Iterator[tuple[int, Found] | None] | None,
        begin: Begin[Found],
        procfs: Procfs,
        deadline: float,
    ) -> Iterator[tuple[int, Found] | None] | None:
        """Continue the walk, and return the rest of it."""
        if walk is None:
            self._added_late.clear()
            walk = begin(procfs, self._wanted)
        for step in walk:
            if step is not None:
                key, self._found[key] = step
                self._wanted.discard(key)
                if not self._wanted:
                    return None
            if monotonic() > deadline:
                return walk
        self._missing |= self._wanted - self._added_late
        self._wanted &= self._added_late
        return None
