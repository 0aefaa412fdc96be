"""Find the tracked sockets among the rows of one walk.

A socket has the service that the counter gave the same row, so counts, ages and owners of a pass agree to the
socket.

A socket before accept() has no inode, and may have another owner once it has one: it is decoded again. A
minisocket has neither cgroup nor inode. An inbound one gets those of the listener at its address, else of the
listener at any address. Where several listeners share an address with SO_REUSEPORT, nothing says which one
received it: it gets no inode, and their cgroup if they have one in common.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from itertools import repeat
from typing import Final, cast

from exporter.kernel.rows import (
    ADDRESS_BYTES,
    ANY_ADDRESS,
    MAPPED_PREFIX,
    InetRows,
    Listener,
    Origin,
    Rows,
    find_places,
)
from exporter.sampling.services.cohorts import Cohort, Group, Held, Known
from exporter.sampling.services.counting import TableCounter

STATE_BITS: Final = 4
_MAPPED_ANY: Final = MAPPED_PREFIX.ljust(ADDRESS_BYTES, b"\0")


class TrackedWalk:
    """Finds the tracked sockets of one table in one walk."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a walk needs of its pass
        self,
        known: Known,
        counter: TableCounter,
        tracked_states: Collection[int],
        named: Collection[int],
        now: float,
        is_below_limit: Callable[[], bool],
    ) -> None:
        self.new = 0
        self.unnamed: list[Held] = []
        self.tracked: dict[int, Cohort] = {}
        self.inodes: dict[int, int] = {}
        self.unaccepted: set[int] = set()
        self.sighted = array("Q")
        self._counted = Counter[tuple[int, int, Cohort]]()
        self._known = known
        self._counter = counter
        self.states = tracked_states
        self.named = named
        self.now = now
        self._is_below_limit = is_below_limit
        self._listeners: dict[tuple[int, bytes], Listener] = {}
        self._cohorts: dict[tuple[float | None, int], Cohort] = {}

    @property
    def groups(self) -> dict[Group, int]:
        """The sockets that were seen, by what they have in common."""
        return {Group(*counted): number for counted, number in self._counted.items()}

    def observe(self, rows: Rows) -> None:
        """Find the tracked sockets among some rows."""
        for listener in rows.listeners:
            self._add_listener(listener)
        for state in self.states:
            if state in rows.states:
                self._observe_state(cast("InetRows", rows), state, find_places(rows.states, state))

    def _observe_state(self, rows: InetRows, state: int, places: Sequence[int]) -> None:
        local_ports, remote_ports, identities = zip(*rows.tracked(places), strict=True)
        keys = [identity << STATE_BITS | state for identity in identities]
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
        """Return the cohorts of the sockets at some places; only new sockets are decoded."""
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
        if (again := self.tracked.get(key)) is not None:  # listed twice
            return again
        (origin,) = rows.origins([place])
        inode, cgroup_id = self._find_origin(origin)
        first_seen = before.first_seen if before else self.now
        if before is None and not self._is_below_limit():
            return self._cohort_of(None, cgroup_id)
        self.new += before is None
        if not origin.inode:
            self.unaccepted.add(key)
        if inode and cgroup_id not in self.named:
            self.inodes[key] = inode
        cohort = self.tracked[key] = self._cohort_of(first_seen, cgroup_id)
        return cohort

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
        """Return inode and cgroup of a socket, or of the listener that received it."""
        if origin.inode:
            return origin.inode, origin.cgroup_id
        listener = self._find_listener(origin.local_port, origin.local_address)
        if listener is None:
            return 0, origin.cgroup_id
        return listener.inode, origin.cgroup_id or listener.cgroup_id

    def _find_listener(self, port: int, address: bytes) -> Listener | None:
        """Return the listener at an address, else at any address, first of IPv4: :: may be for IPv6 only."""
        return (
            self._listeners.get((port, address))
            or (self._listeners.get((port, _MAPPED_ANY)) if address.startswith(MAPPED_PREFIX) else None)
            or self._listeners.get((port, ANY_ADDRESS))
        )
