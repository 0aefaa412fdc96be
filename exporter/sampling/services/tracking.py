"""Follow the TCP sockets in some states one by one, from pass to pass: since when, and whose they are.

From pass to pass nearly all are the same: what is kept of each is an entry in a dictionary, from its
identity to its *cohort*, which it shares with those that came in the same pass from the same cgroup. Only
new ones are decoded. What is counted has the service that the counter gave the same rows, so counts, ages
and owners of a pass agree to the socket.

Sockets that were there before the first pass are older than they look. Their age begins with the last segment
that came from the other end, of which the one that closed the connection was not later: a lower bound.

A socket before accept() has no inode, and may have another owner once it has one: it is looked at again. A
minisocket has neither cgroup nor inode. Where one of both came in, it gets those of the listener at its
address, else of the one at any. Where several share an address with SO_REUSEPORT, it cannot be told which
took it in: it gets no inode, and their cgroup if that is one.
"""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar, cast

from exporter.kernel import states
from exporter.kernel.rows import ADDRESS_BYTES, InetRows, Listener, Origin, Rows, find_places
from exporter.sampling.services.counting import TableCounter

_Value = TypeVar("_Value")

_NUMBERS: Final = {name: code for code, name in states.TCP.items()}
_STATE_BITS: Final = 4
_ANY: Final = bytes(ADDRESS_BYTES)
_MAPPED: Final = bytes.fromhex("00000000 00000000 0000ffff")  # what IPv4's addresses begin with in tcp6
_MAPPED_ANY: Final = _MAPPED.ljust(ADDRESS_BYTES, b"\0")


class _EveryCgroup(Collection[int]):
    """Holds every cgroup."""

    def __contains__(self, item: object) -> bool:
        return True

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


EVERY_CGROUP: Final[Collection[int]] = _EveryCgroup()
"""The cgroups whose sockets need no inode, where owners are told by cgroups alone, or not at all."""


def number_states(names: Iterable[str]) -> frozenset[int]:
    """Return the numbers of some states of TCP."""
    return frozenset(map(_NUMBERS.__getitem__, names))


@dataclass(eq=False, slots=True)
class Cohort:
    """Sockets that were first seen in a state at the same pass, on the monotonic clock, and share a cgroup.

    ``first_seen`` is None for those that are not followed because there are too many, ``cgroup_id`` is 0
    where it is not known. ``sockets`` is how many are followed.
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
    """A socket whose cgroup has no name: who holds it can be told by the inode of its file, if it has one."""

    service: int
    state: int
    cgroup_id: int
    inode: int


@dataclass(frozen=True, slots=True)
class Tracked:
    """The sockets of one table in tracked states: their groups, and those whose cgroup has no name."""

    groups: Mapping[Group, int]
    unnamed: Sequence[Held]


class TrackedTable:
    """The sockets of one table in tracked states, from pass to pass."""

    def __init__(self) -> None:
        self._cohorts: dict[int, Cohort] = {}
        self._inodes: dict[int, int] = {}
        self._unaccepted: set[int] = set()
        self._named: Collection[int] = EVERY_CGROUP

    def __len__(self) -> int:
        return len(self._cohorts)

    def know(self, named: Collection[int]) -> "Known":
        """Return what is known of single sockets; those of cgroups that had names are to be looked at again.

        As long as a cgroup has a name, the inodes of its sockets are not kept.
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

    def commit(self, walk: "TrackedWalk") -> Tracked:
        """Remember what a whole walk found, forget what it did not, and return it."""
        for key, cohort in walk.followed.items():
            if (before := self._cohorts.get(key)) is not None:
                before.sockets -= 1
            cohort.sockets += 1
        self._cohorts = _merge(self._cohorts, walk.followed)
        self._inodes = _merge(self._inodes, walk.inodes)
        self._unaccepted, self._named = walk.unaccepted, walk.named
        sighted = Counter[Cohort]()
        groups = walk.groups
        for group, number in groups.items():
            sighted[group.cohort] += number
        if len(self._cohorts) > sum(number for cohort, number in sighted.items() if cohort.sockets):
            self._forget_gone(walk.sighted, sighted)
        return Tracked(groups, walk.unnamed)

    def _forget_gone(self, keys: Iterable[int], sighted: Mapping[Cohort, int]) -> None:
        """Forget the sockets that were not sighted; only cohorts that have fewer now are looked through."""
        gone = {key for key, cohort in self._cohorts.items() if sighted.get(cohort, 0) < cohort.sockets}
        gone.difference_update(keys)
        for key in gone:
            self._cohorts.pop(key).sockets -= 1
            self._inodes.pop(key, None)
        if len(gone) > len(self._cohorts):  # a dictionary does not shrink by itself
            self._cohorts, self._inodes = dict(self._cohorts), dict(self._inodes)


def _merge(old: dict[int, _Value], new: dict[int, _Value]) -> dict[int, _Value]:
    """Return both as one; the smaller is added to the larger, which is so never there twice."""
    if len(new) <= len(old):
        old.update(new)
        return old
    for key, value in old.items():
        new.setdefault(key, value)
    return new


class TrackedSockets:
    """The sockets of all TCP tables in tracked states, of which at most ``limit`` are followed."""

    def __init__(self) -> None:
        self._limit = 0
        self._states: frozenset[int] = frozenset()
        self._tables: dict[str, TrackedTable] = {}
        self._walks: dict[str, TrackedWalk] = {}

    def change(self, states_followed: frozenset[int], limit: int, tables: Collection[str]) -> None:
        """Follow the sockets in other states, or other tables, from the next walk on."""
        self._states, self._limit = states_followed, limit
        self._walks.clear()
        for table in self._tables.keys() - set(tables if states_followed else ()):
            del self._tables[table]

    def is_new(self, table: str) -> bool:
        """Tell whether nothing is known of a table yet, so that its sockets may be older than they look."""
        return bool(self._states) and table not in self._tables

    def begin(
        self,
        table: str,
        counter: TableCounter,
        named: Collection[int],
        now: float,
        silences: Mapping[int, float] = MappingProxyType({}),
    ) -> "TrackedWalk":
        """Return what looks at a walk.

        ``named`` are the cgroups whose sockets need no inode. ``silences`` tells of sockets that are not
        new, by identity, how many seconds they have been in their state at least.
        """
        known = self._tables.setdefault(table, TrackedTable()).know(named)
        walk = TrackedWalk(known, counter, self._states, named, now, self._has_room, silences)
        self._walks[table] = walk
        return walk

    def commit(self, table: str) -> "Tracked":
        """Return what the last walk of a table, which saw all of its rows, found."""
        return self._tables[table].commit(self._walks.pop(table))

    def _has_room(self) -> bool:
        followed = sum(map(len, self._tables.values())) + sum(walk.new for walk in self._walks.values())
        return followed < self._limit


class Known(NamedTuple):
    """What is known of single sockets, by their keys: not changed while a walk is under way."""

    cohorts: Mapping[int, Cohort]
    inodes: Mapping[int, int]
    unaccepted: Collection[int]


class TrackedWalk:
    """Looks at the rows of one table in one walk; see ``TrackedTable``."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a walk needs of its pass
        self,
        known: Known,
        counter: TableCounter,
        tracked_states: Collection[int],
        named: Collection[int],
        now: float,
        has_room: Callable[[], bool],
        silences: Mapping[int, float],
    ) -> None:
        self.new = 0
        self.unnamed: list[Held] = []
        self.followed: dict[int, Cohort] = {}
        self.inodes: dict[int, int] = {}
        self.unaccepted: set[int] = set()
        self.sighted = array("Q")
        self._counted = Counter[tuple[int, int, Cohort]]()
        self._known = known
        self._counter = counter
        self._states = tracked_states
        self.named = named
        self._now = now
        self._has_room = has_room
        self._silences = silences
        self._listeners: dict[tuple[int, bytes], Listener] = {}
        self._cohorts: dict[tuple[float | None, int], Cohort] = {}

    @property
    def groups(self) -> dict[Group, int]:
        """The sockets that were seen, by what they have in common."""
        return {Group(*counted): number for counted, number in self._counted.items()}

    def observe(self, rows: Rows) -> None:
        """Look at some rows."""
        for listener in rows.listeners:
            self._add_listener(listener)
        for state in self._states:
            if state in rows.states:
                self._observe_state(cast("InetRows", rows), state, find_places(rows.states, state))

    def _observe_state(self, rows: InetRows, state: int, places: Sequence[int]) -> None:
        local_ports, remote_ports, identities = zip(*rows.tracked(places), strict=True)
        keys = [identity << _STATE_BITS | state for identity in identities]
        cohorts = self._find_cohorts(rows, places, keys)
        services = list(map(self._counter.find_service, local_ports, remote_ports))
        self.sighted.extend(keys)
        self._counted.update(zip(services, repeat(state), cohorts))
        unnamed = {cohort for cohort in set(cohorts) if cohort.cgroup_id not in self.named}
        if unnamed:
            for key, service, cohort in zip(keys, services, cohorts, strict=True):
                if cohort in unnamed:
                    inode = self.inodes.get(key) or self._known.inodes.get(key, 0)
                    self.unnamed.append(Held(service, state, cohort.cgroup_id, inode))

    def _find_cohorts(self, rows: InetRows, places: Sequence[int], keys: Sequence[int]) -> Sequence[Cohort]:
        """Return the cohorts of the sockets at some places; only new sockets have to be decoded for it."""
        known, unaccepted = self._known.cohorts, self._known.unaccepted
        cohorts = []
        for place, key, cohort in zip(places, keys, map(known.get, keys), strict=True):
            if cohort is None or key in unaccepted:
                cohorts.append(self._decode(rows, place, key, cohort))
            else:
                cohorts.append(cohort)
        return cohorts

    def _decode(self, rows: InetRows, place: int, key: int, before: Cohort | None) -> Cohort:
        """Return the cohort of a socket that is new, or was not accepted when it was seen before."""
        if (again := self.followed.get(key)) is not None:  # listed twice
            return again
        (origin,) = rows.origins([place])
        inode, cgroup_id = self._find_origin(origin)
        first_seen = before.first_seen if before else self._now - self._known_age(key >> _STATE_BITS)
        if before is None and not self._has_room():
            return self._cohort_of(None, cgroup_id)
        self.new += before is None
        if not origin.inode:
            self.unaccepted.add(key)
        if inode and cgroup_id not in self.named:
            self.inodes[key] = inode
        cohort = self.followed[key] = self._cohort_of(first_seen, cgroup_id)
        return cohort

    def _known_age(self, identity: int) -> float:
        """Return an age in seconds, with two digits, so that few cohorts are made of it."""
        silence = self._silences.get(identity, 0.0)
        digits = 1 - math.floor(math.log10(silence)) if silence >= 1 else 0
        scale = 10.0**digits
        return math.floor(silence * scale) / scale

    def _cohort_of(self, first_seen: float | None, cgroup_id: int) -> Cohort:
        cohort = self._cohorts.get((first_seen, cgroup_id))
        if cohort is None:
            cohort = self._cohorts[first_seen, cgroup_id] = Cohort(first_seen, cgroup_id)
        return cohort

    def _add_listener(self, listener: Listener) -> None:
        at = listener.port, listener.address
        known = self._listeners.setdefault(at, listener)
        if known.inode != listener.inode:  # procfs may repeat a row
            shared = listener.cgroup_id if known.cgroup_id == listener.cgroup_id else 0
            self._listeners[at] = known._replace(inode=0, cgroup_id=shared)

    def _find_origin(self, origin: Origin) -> tuple[int, int]:
        """Return inode and cgroup of a socket, or of the listener that took it in."""
        if origin.inode:
            return origin.inode, origin.cgroup_id
        listener = self._find_listener(origin.local_port, origin.local_address)
        if listener is None:
            return 0, origin.cgroup_id
        return listener.inode, origin.cgroup_id or listener.cgroup_id

    def _find_listener(self, port: int, address: bytes) -> Listener | None:
        """Return who listens at an address, else at any, of IPv4 first: :: may be of IPv6 only."""
        return (
            self._listeners.get((port, address))
            or (self._listeners.get((port, _MAPPED_ANY)) if address.startswith(_MAPPED) else None)
            or self._listeners.get((port, _ANY))
        )
