"""Hold what one walk counted in one table: sockets by service and state, bytes in queues, accept queues."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

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


@dataclass(frozen=True)
class TableCount:
    """What one walk found in one table.

    ``tallies`` has the expected services that have sockets. ``rare`` has the others, which may be very many:
    sockets by service and state number. ``rare_queues`` has the bytes in their send and receive queues.
    ``listening`` are the ports that listen, or have an unconnected datagram socket. ``accept_queues`` are
    those of TCP, by port.
    """

    tallies: Mapping[int, Tally]
    rare: Mapping[tuple[int, int], int] = field(default_factory=dict)
    rare_queues: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    listening: Collection[int] = ()
    accept_queues: Mapping[int, AcceptQueue] = field(default_factory=dict)

    @cached_property
    def sockets(self) -> Mapping[int, int]:
        """The number of sockets of each service."""
        sockets = Counter({service: sum(tally[:SEND_QUEUE]) for service, tally in self.tallies.items()})
        for (service, _), number in self.rare.items():
            sockets[service] += number
        return sockets
