"""Hold what one walk counted in one table: sockets by service and state, bytes in queues, accept queues."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Final

from exporter.kernel.rows import Listener
from exporter.sampling.services.ports import OTHER_PORT, OUTBOUND, PORTS

Tally = Sequence[int]
"""Sockets by state number, then the bytes in their send and in their receive queues."""

_STATES: Final = 16
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


class RareCount:
    """Sockets of services that may be very many: by direction and state, and then by port.

    A host may have a connection to each of 30,000 ports, and all of them are shown as one. So C does nearly
    all of the work, and few methods look at every port. A direction is the ``OTHER_PORT`` of its services.
    """

    def __init__(self) -> None:
        self._ports: dict[tuple[int, int], Counter[int]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RareCount) and self._ports == other._ports

    __hash__ = None  # type: ignore[assignment]  # sockets are added to it

    def add(self, direction: int, ports_by_state: Mapping[int, Iterable[int]]) -> None:
        """Add a socket for each of some ports, which are by state."""
        for state, ports in ports_by_state.items():
            self._ports.setdefault((direction, state), Counter()).update(ports)

    def entries(self) -> Iterator[tuple[int, int, int]]:
        """Yield every service, state and number of sockets."""
        for (direction, state), ports in self._ports.items():
            yield from ((port + direction, state, number) for port, number in ports.items())

    def totals(self) -> Iterator[tuple[int, int, int]]:
        """Yield every direction and state, and the number of sockets."""
        return ((*key, sum(ports.values())) for key, ports in self._ports.items())

    def several(self) -> Iterator[tuple[int, int]]:
        """Yield the services that have more than one socket, and their number."""
        for direction in (OTHER_PORT, OUTBOUND):
            ports = self._join(direction)
            yield from ((port + direction, number) for port, number in ports.items() if number > 1)

    def by_service(self) -> Iterator[tuple[int, int]]:
        """Yield all services, and the number of their sockets."""
        for direction in (OTHER_PORT, OUTBOUND):
            yield from ((port + direction, number) for port, number in self._join(direction).items())

    def services_at(self, wanted: AbstractSet[int]) -> Iterator[int]:
        """Yield the services at some ports; one may come more than once."""
        for (direction, _), ports in self._ports.items():
            yield from (port + direction for port in ports.keys() & wanted)

    def services_in(self, wanted_states: Collection[int]) -> Iterator[int]:
        """Yield the services that have sockets in one of some states; one may come more than once."""
        for (direction, state), ports in self._ports.items():
            if state in wanted_states:
                yield from (port + direction for port in ports)

    def states_of(self, service: int) -> Iterator[tuple[int, int]]:
        """Yield each state of a service, and the number of its sockets in it."""
        port = service % PORTS
        for (direction, state), ports in self._ports.items():
            if port in ports and port + direction == service:
                yield state, ports[port]

    def examples(self, known: AbstractSet[int], limit: int) -> Iterator[int]:
        """Yield a few services whose port is not among those known; not every port is looked at."""
        services = (
            port + direction
            for (direction, _), ports in self._ports.items()
            for port in islice(ports, limit + len(known))
            if port not in known
        )
        return islice(services, limit)

    def _join(self, direction: int) -> Counter[int]:
        """Return the sockets of a direction by port; of a single state, which may be large, no copy."""
        found = [ports for (each, _), ports in self._ports.items() if each == direction]
        found.sort(key=len, reverse=True)
        if len(found) <= 1:
            return found[0] if found else Counter()
        joined = Counter(found[0])
        for ports in found[1:]:
            joined.update(ports)
        return joined


@dataclass(frozen=True)
class TableCount:
    """What one walk found in one table.

    ``tallies`` has the expected services that have sockets, ``rare`` has the others. ``rare_queues`` has the
    bytes in their send and receive queues. ``listening`` are the ports that listen, or have an unconnected
    datagram socket. ``accept_queues`` are those of TCP, by port, and ``listeners`` are its sockets that
    listen.
    """

    tallies: Mapping[int, Tally]
    rare: RareCount = field(default_factory=RareCount)
    rare_queues: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    listening: Collection[int] = ()
    accept_queues: Mapping[int, AcceptQueue] = field(default_factory=dict)
    listeners: Sequence[Listener] = ()

    @cached_property
    def expected(self) -> Mapping[int, int]:
        """The number of sockets of each expected service."""
        return {service: sum(tally[:SEND_QUEUE]) for service, tally in self.tallies.items()}

    @property
    def sockets(self) -> Mapping[int, int]:
        """The number of sockets of each service."""
        return {**dict(self.rare.by_service()), **self.expected}  # no service is in both

    @cached_property
    def several(self) -> Mapping[int, int]:
        """The number of sockets of each service that has more than one."""
        expected = {service: number for service, number in self.expected.items() if number > 1}
        return {**dict(self.rare.several()), **expected}

    @property
    def total(self) -> int:
        """The number of all sockets."""
        return sum(self.expected.values()) + sum(number for _, _, number in self.rare.totals())

    @property
    def opened(self) -> int:
        """The number of sockets that this host opened."""
        rare = sum(number for direction, _, number in self.rare.totals() if direction == OUTBOUND)
        return rare + sum(number for service, number in self.expected.items() if service >= OUTBOUND)

    def sockets_of(self, service: int) -> int:
        """Return the number of sockets of a service."""
        if service in self.expected:
            return self.expected[service]
        return sum(number for _, number in self.rare.states_of(service))
