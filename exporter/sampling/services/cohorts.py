"""Describe tracked sockets by what they have in common: a cohort is what came in one pass from one cgroup."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from exporter.kernel import states

_NUMBERS: Final = {name: code for code, name in states.TCP.items()}


class _EveryCgroup(Collection[int]):
    """Holds every cgroup."""

    def __contains__(self, item: object) -> bool:
        return True

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


EVERY_CGROUP: Final[Collection[int]] = _EveryCgroup()
"""The cgroups whose sockets need no inode, if owners come from cgroups only, or are disabled."""


def number_states(names: Iterable[str]) -> frozenset[int]:
    """Return the numbers of some states of TCP."""
    return frozenset(map(_NUMBERS.__getitem__, names))


@dataclass(eq=False, slots=True)
class Cohort:
    """Sockets that were first seen in a state at the same pass, on the monotonic clock, and share a cgroup.

    ``first_seen`` is None for sockets beyond the limit, which are not tracked. ``cgroup_id`` is 0 if it is
    not known. ``sockets`` is the number of tracked ones.
    """

    first_seen: float | None
    cgroup_id: int
    sockets: int = 0


class Group(NamedTuple):
    """What sockets have in common, by which they are counted."""

    service: int
    state: int
    cohort: Cohort


class Held(NamedTuple):
    """A socket whose cgroup has no name; the inode of its file, if any, leads to its process."""

    service: int
    state: int
    cgroup_id: int
    inode: int


@dataclass(frozen=True, slots=True)
class Tracked:
    """The sockets of one table in tracked states: their groups, and those whose cgroup has no name.

    ``known_since`` is for each state when its first walk was, on the monotonic clock. The sockets which that
    found may be older than they seem. It is minus infinity if there were none, or once the kernel has said
    how old they are at least.
    """

    groups: Mapping[Group, int]
    unnamed: Sequence[Held]
    known_since: Mapping[int, float]


class Known(NamedTuple):
    """What is known of single sockets, by their keys: not changed while a walk is under way."""

    cohorts: Mapping[int, Cohort]
    inodes: Mapping[int, int]
    unaccepted: Collection[int]
