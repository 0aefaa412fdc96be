"""Follow the TCP sockets in tracked states from pass to pass.

From pass to pass nearly all are the same. Of each socket a dictionary entry is kept, from its identity to its
*cohort*, which it shares with those that came in the same pass from the same cgroup. Only new sockets are
decoded; see ``tracked_walk``.

Sockets that the first complete walk finds are older than the exporter can see. From the next pass on, their
age begins with the last segment that came from the other end. The segment that brought them into their state
was not later, so this is a lower bound. It is none for states that connect() or close() begins, such as
SYN_SENT.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final, TypeVar

from exporter.kernel import states
from exporter.kernel.rows import Silences
from exporter.sampling.services.cohorts import EVERY_CGROUP, Cohort, Known, Tracked
from exporter.sampling.services.counting import TableCounter
from exporter.sampling.services.tracked_walk import STATE_BITS, TrackedWalk

_BEGUN_BY_A_SEGMENT: Final = frozenset(
    {states.ESTABLISHED, states.FIN_WAIT2, states.CLOSE_WAIT, states.CLOSING}
)
"""The states that a segment from the other end brings a socket into, not connect() or close()."""

_Value = TypeVar("_Value")


class TrackedTable:
    """The sockets of one table in tracked states, from pass to pass."""

    def __init__(self) -> None:
        self.unseeded: set[int] = set()
        self._known_since: dict[int, float] = {}
        self._cohorts: dict[int, Cohort] = {}
        self._inodes: dict[int, int] = {}
        self._unaccepted: set[int] = set()
        self._named: Collection[int] = EVERY_CGROUP

    def __len__(self) -> int:
        return len(self._cohorts)

    def know(self, named: Collection[int]) -> Known:
        """Return what is known of single sockets.

        As long as a cgroup has a name, the inodes of its sockets are not kept. So sockets of cgroups that
        lost their name are decoded again.
        """
        unaccepted: Collection[int] = self._unaccepted
        if named is not self._named and named != self._named:
            no_more = (
                key
                for key, cohort in self._cohorts.items()
                if cohort.cgroup_id in self._named and cohort.cgroup_id not in named
            )
            unaccepted = self._unaccepted.union(no_more)
        return Known(self._cohorts, self._inodes, unaccepted)

    def seed(self, silences: Silences | None, now: float) -> None:
        """Move sockets to older cohorts: they are at least as old as their silence."""
        if silences is not None:
            self._known_since = self._known_since | dict.fromkeys(self.unseeded, -math.inf)
        self.unseeded.clear()
        older: dict[tuple[float, int], Cohort] = {}
        for identity, state, milliseconds in zip(*silences, strict=True) if silences else ():
            key = identity << STATE_BITS | state
            cohort = self._cohorts.get(key)
            first_seen = now - _round_down(milliseconds / 1000)
            if cohort and cohort.first_seen is not None and first_seen < cohort.first_seen:
                at = first_seen, cohort.cgroup_id
                self._cohorts[key] = older.setdefault(at, Cohort(*at))
                self._cohorts[key].sockets += 1
                cohort.sockets -= 1

    def commit(self, walk: TrackedWalk) -> Tracked:
        """Remember what a complete walk found, forget what it did not find, and return it."""
        for key, cohort in walk.tracked.items():
            if (before := self._cohorts.get(key)) is not None:
                before.sockets -= 1
            cohort.sockets += 1
        self._cohorts = _merge(self._cohorts, walk.tracked)
        self._inodes = _merge(self._inodes, walk.inodes)
        self._unaccepted, self._named = walk.unaccepted, walk.named
        sighted = Counter[Cohort]()
        groups = walk.groups
        for group, number in groups.items():
            sighted[group.cohort] += number
        if len(self._cohorts) > sum(number for cohort, number in sighted.items() if cohort.sockets):
            self._forget_gone(walk.sighted, sighted)
        self._note_first_walks(walk.states, {group.state for group in groups}, walk.now)
        return Tracked(groups, walk.unnamed, self._known_since)

    def _note_first_walks(self, wanted: Collection[int], found: Collection[int], now: float) -> None:
        """Remember in which states a first walk found sockets: when these came, nobody saw."""
        before = self._known_since
        first_found = found - before.keys()
        self._known_since = {
            state: before.get(state, now if state in first_found else -math.inf) for state in wanted
        }
        self.unseeded = (self.unseeded | first_found & _BEGUN_BY_A_SEGMENT) & self._known_since.keys()

    def _forget_gone(self, keys: Iterable[int], sighted: Mapping[Cohort, int]) -> None:
        """Forget the sockets that were not sighted; only cohorts that shrank are searched."""
        gone = {key for key, cohort in self._cohorts.items() if sighted.get(cohort, 0) < cohort.sockets}
        gone.difference_update(keys)
        for key in gone:
            self._cohorts.pop(key).sockets -= 1
            self._inodes.pop(key, None)
        if len(gone) > len(self._cohorts):  # a dictionary does not shrink by itself
            self._cohorts, self._inodes = dict(self._cohorts), dict(self._inodes)


def _round_down(seconds: float) -> float:
    """Return seconds with two digits, so that there are few cohorts."""
    digits = 1 - math.floor(math.log10(seconds)) if seconds >= 1 else 0
    scale = 10.0**digits
    return math.floor(seconds * scale) / scale


def _merge(old: dict[int, _Value], new: dict[int, _Value]) -> dict[int, _Value]:
    """Return both as one; the smaller is added to the larger, so that the larger is never copied."""
    if len(new) <= len(old):
        old.update(new)
        return old
    for key, value in old.items():
        new.setdefault(key, value)
    return new


class TrackedSockets:
    """The sockets of all TCP tables in tracked states; at most ``limit`` are tracked."""

    def __init__(self) -> None:
        self._limit = 0
        self._states: frozenset[int] = frozenset()
        self._tables: dict[str, TrackedTable] = {}
        self._walks: dict[str, TrackedWalk] = {}

    def __len__(self) -> int:
        return sum(map(len, self._tables.values()))

    def change(self, tracked_states: frozenset[int], limit: int, tables: Collection[str]) -> None:
        """Track sockets in other states, or other tables, from the next walk on."""
        self._states, self._limit = tracked_states, limit
        self._walks.clear()
        for table in self._tables.keys() - set(tables if tracked_states else ()):
            del self._tables[table]

    def begin(self, table: str, counter: TableCounter, named: Collection[int], now: float) -> TrackedWalk:
        """Return the observer of a walk; ``named`` are the cgroups whose sockets need no inode."""
        known = self._tables.setdefault(table, TrackedTable()).know(named)
        walk = TrackedWalk(known, counter, self._states, named, now, self._is_below_limit)
        self._walks[table] = walk
        return walk

    def unseeded(self) -> Mapping[str, Collection[int]]:
        """Return by table the states whose first walk found sockets, so that the kernel has to be asked."""
        return {name: tuple(table.unseeded) for name, table in self._tables.items() if table.unseeded}

    def seed(self, table: str, silences: Silences | None, now: float) -> None:
        """Set the least age of the sockets in unseeded states; None if nothing is known of them."""
        self._tables[table].seed(silences, now)

    def commit(self, table: str) -> Tracked:
        """Return what the last walk of a table, which saw all of its rows, found."""
        return self._tables[table].commit(self._walks.pop(table))

    def _is_below_limit(self) -> bool:
        tracked = len(self) + sum(walk.new for walk in self._walks.values())
        return tracked < self._limit
