"""Hold what one walk counted in one table: sockets by service and state, bytes in queues, accept queues."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from operator import rshift
from typing import Final

from exporter.sampling.services.ports import OUTBOUND, PORTS

Tally = Sequence[int]
"""Sockets by state number, then the bytes in their send and in their receive queues."""

STATE_BITS: Final = 4
_STATES: Final = 1 << STATE_BITS
_STATE_MASK: Final = _STATES - 1
_DIRECTION_AND_STATE: Final = PORTS << STATE_BITS | _STATE_MASK
SEND_QUEUE: Final = _STATES
RECEIVE_QUEUE: Final = _STATES + 1
EMPTY: Final[Tally] = (0,) * (_STATES + 2)


@dataclass(slots=True)
class AcceptQueue:
    """The accept queues of the listeners of one port: their sums, and the fullest of them.

    ``limit`` and ``utilization`` are None if the limits are not known. ``sockets`` is the number of
    listeners.
    """

    waiting: int = 0
    limit: int | None = None
    utilization: float | None = None
    sockets: int = 0

    def add(self, waiting: int, limit: int | None) -> None:
        """Add a listener."""
        self.sockets += 1
        self.waiting += waiting
        if limit is not None:
            self.limit = (self.limit or 0) + limit
            self._raise(waiting / limit if limit else float(waiting > 0))

    def join(self, other: "AcceptQueue") -> None:
        """Add the listeners of another port."""
        self.sockets += other.sockets
        self.waiting += other.waiting
        if other.limit is not None:
            self.limit = (self.limit or 0) + other.limit
            self._raise(other.utilization or 0.0)

    def _raise(self, utilization: float) -> None:
        self.utilization = max(self.utilization or 0.0, utilization)


class RareCount(Counter[int]):
    """Sockets of services that may be very many, by service and state.

    Both are one number, the service above the ``STATE_BITS`` of the state, so that C does nearly all of the
    work: a host may have a connection to each of 30,000 ports, and all of them are shown as one. What is
    derived from the numbers is kept: they do not change once it was asked for.
    """

    def entries(self) -> Iterator[tuple[int, int, int]]:
        """Yield every service, state and number of sockets."""
        return ((mixed >> STATE_BITS, mixed & _STATE_MASK, number) for mixed, number in self.items())

    @cached_property
    def services(self) -> frozenset[int]:
        """The services that have sockets."""
        return frozenset(map(rshift, self, repeat(STATE_BITS)))

    @cached_property
    def by_service(self) -> Counter[int]:
        """The number of sockets of each service."""
        counts = Counter(map(rshift, self, repeat(STATE_BITS)))
        for mixed, number in self._repeated:
            counts[mixed >> STATE_BITS] += number - 1
        return counts

    @cached_property
    def several(self) -> Mapping[int, int]:
        """The number of sockets of each service that has more than one."""
        if len(self.services) == len(self):  # each has one state
            return {mixed >> STATE_BITS: number for mixed, number in self._repeated}
        return {service: number for service, number in self.by_service.items() if number > 1}

    @cached_property
    def by_direction(self) -> Mapping[tuple[int, int], int]:
        """The number of sockets by state, after the service with the port other of their direction."""
        counts = Counter(map(_DIRECTION_AND_STATE.__and__, self))
        for mixed, number in self._repeated:
            counts[mixed & _DIRECTION_AND_STATE] += number - 1
        return {(mixed >> STATE_BITS, mixed & _STATE_MASK): number for mixed, number in counts.items()}

    def states_of(self, service: int) -> Iterator[tuple[int, int]]:
        """Yield each state of a service, and the number of its sockets in it."""
        for state in range(_STATES):
            if number := self.get(service << STATE_BITS | state):
                yield state, number

    def services_in(self, wanted_states: Collection[int]) -> Iterator[int]:
        """Yield the services that have sockets in one of some states; one may come more than once."""
        if any(state in wanted_states for _, state in self.by_direction):
            yield from (service for service, state, _ in self.entries() if state in wanted_states)

    @cached_property
    def _repeated(self) -> Sequence[tuple[int, int]]:
        return [(mixed, number) for mixed, number in self.items() if number > 1]


@dataclass(frozen=True)
class TableCount:
    """What one walk found in one table.

    ``tallies`` has the expected services that have sockets, ``rare`` has the others. ``rare_queues`` has the
    bytes in their send and receive queues.
    ``listening`` are the ports that listen, or have an unconnected datagram socket. ``accept_queues`` are
    those of TCP, by port.
    """

    tallies: Mapping[int, Tally]
    rare: RareCount = field(default_factory=RareCount)
    rare_queues: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    listening: Collection[int] = ()
    accept_queues: Mapping[int, AcceptQueue] = field(default_factory=dict)

    @cached_property
    def expected(self) -> Mapping[int, int]:
        """The number of sockets of each expected service."""
        return {service: sum(tally[:SEND_QUEUE]) for service, tally in self.tallies.items()}

    @property
    def sockets(self) -> Mapping[int, int]:
        """The number of sockets of each service."""
        return {**self.rare.by_service, **self.expected}  # no service is in both

    @cached_property
    def several(self) -> Mapping[int, int]:
        """The number of sockets of each service that has more than one."""
        return {**self.rare.several, **{service: n for service, n in self.expected.items() if n > 1}}

    @property
    def total(self) -> int:
        """The number of all sockets."""
        return sum(self.expected.values()) + sum(self.rare.by_direction.values())

    @property
    def opened(self) -> int:
        """The number of sockets that this host opened."""
        rare = sum(number for (service, _), number in self.rare.by_direction.items() if service >= OUTBOUND)
        return rare + sum(number for service, number in self.expected.items() if service >= OUTBOUND)

    def sockets_of(self, service: int) -> int:
        """Return the number of sockets of a service."""
        if service in self.rare.services:
            return sum(number for _, number in self.rare.states_of(service))
        return self.expected.get(service, 0)
