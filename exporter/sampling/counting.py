"""Fold the rows of a table into counts per service, without keeping anything per socket.

Who opened a TCP connection is not in the tables; it is told by the ports. A local port on which
something listens is the service, and the connection came in. Else a remote port with a name is the
service, and the connection went out. Else a local port with a name is the service: its listener is gone.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from exporter.kernel import states
from exporter.kernel.rows import Batch, Row, split_queues
from exporter.kernel.tables import Table
from exporter.sampling.ports import INBOUND, OTHER_PORT, OUTBOUND, PortRules, Service

Tally = Sequence[int]
"""Sockets by state number, then the bytes in their send and in their receive queues."""

_STATES: Final = 16
SEND_QUEUE: Final = _STATES
RECEIVE_QUEUE: Final = _STATES + 1
EMPTY: Final[Tally] = [0] * (_STATES + 2)

PORTLESS_PROTOCOLS: Final = frozenset({"raw", "unix"})
PORTLESS: Final = Service("", OTHER_PORT)
"""The service of every socket of a protocol without ports."""

_PORTS: Final = 65536


@dataclass(frozen=True, slots=True)
class TableCount:
    """What one pass found in one table.

    ``tallies`` has the services with sockets. ``accept_queues`` has the connections waiting at each port
    that listens, ``accept_queue_limits`` how many may wait, where that is known. ``listed``, ``malformed``,
    ``repeated`` and ``minisockets`` are as in Batch.
    """

    tallies: Mapping[Service, Tally]
    accept_queues: Mapping[int, int]
    accept_queue_limits: Mapping[int, int] = field(default_factory=dict)
    listed: int = 0
    malformed: int = 0
    repeated: int = 0
    minisockets: int = 0


class TableCounter:
    """Counts a table of a protocol without ports, pass after pass: every socket in one tally.

    What follows from the rules alone is made once: to make it anew would cost more than a small table does.
    """

    def __init__(self, table: Table, rules: PortRules) -> None:
        self._protocol = table.protocol
        self._rules = rules
        self._tallies: dict[Service, list[int]] = {}

    def count(self, batches: Iterable[Batch], listening: Iterable[int] = ()) -> TableCount:
        """Count the table once.

        ``listening`` are the ports that were listening lately, beside those that the table lists now.
        """
        self.begin(listening)
        for batch in batches:
            self.add(batch)
        return self.finish()

    def begin(self, listening: Iterable[int]) -> None:
        """Forget what was counted before."""
        self._reset()
        self._accept_queues, self._accept_queue_limits = Counter[int](), Counter[int]()
        self._totals = [0, 0, 0, 0]
        for port in listening:
            self._tally_of_local(port)

    def add(self, batch: Batch) -> None:
        """Count some rows."""
        listeners, rows, *numbers = batch
        for port, waiting, limit in listeners:
            self._tally_of_local(port)[states.LISTEN] += 1
            self._accept_queues[port] += waiting
            if limit is not None:
                self._accept_queue_limits[port] += limit
        self._fold(rows)
        self._totals = [total + number for total, number in zip(self._totals, numbers, strict=True)]

    def finish(self) -> TableCount:
        """Return what was counted."""
        tallies = {service: tuple(tally) for service, tally in self._tallies.items() if tally != EMPTY}
        return TableCount(tallies, self._accept_queues, self._accept_queue_limits, *self._totals)

    def _reset(self) -> None:
        for tally in self._tallies.values():
            tally[:] = EMPTY

    def _fold(self, rows: Iterable[Row]) -> None:
        tally = self._tally(PORTLESS)
        for _, _, state, queues in rows:
            tally[state] += 1
            if queues:
                _add_queues(tally, queues)

    def _tally(self, service: Service) -> list[int]:
        return self._tallies.setdefault(service, list(EMPTY))

    def _tally_of_local(self, port: int) -> list[int]:
        own = self._rules.is_local_service(self._protocol, port)
        return self._tally(Service(INBOUND, port if own else OTHER_PORT))


class UdpCounter(TableCounter):
    """Counts UDP: a connected socket by its ports, an unconnected one by the port it serves."""

    def __init__(self, table: Table, rules: PortRules) -> None:
        super().__init__(table, rules)
        # Indexed by port, as one look-up in a list is what a row can afford.
        self._by_local: list[list[int] | None] = [None] * _PORTS
        self._by_remote: list[list[int] | None] = [None] * _PORTS
        self._by_unused_local = [self._tally(Service(OUTBOUND, OTHER_PORT))] * _PORTS
        self._local_ports: list[int] = []
        for port in rules.remote_services(table.protocol):
            self._by_remote[port] = self._tally(Service(OUTBOUND, port))
        for port in rules.local_services(table.protocol):
            self._by_unused_local[port] = self._tally(Service(INBOUND, port))

    def _reset(self) -> None:
        super()._reset()
        for port in self._local_ports:
            self._by_local[port] = None
        self._local_ports.clear()

    def _fold(self, rows: Iterable[Row]) -> None:
        by_local, by_remote, by_unused_local = self._by_local, self._by_remote, self._by_unused_local
        for local, remote, state, queues in rows:
            if remote == 0:
                tally = by_local[local] or self._tally_of_local(local)
            else:
                tally = by_remote[remote] or by_unused_local[local]
            tally[state] += 1
            if queues:
                _add_queues(tally, queues)

    def _tally_of_local(self, port: int) -> list[int]:
        tally = self._by_local[port]
        if tally is None:
            tally = self._by_local[port] = super()._tally_of_local(port)
            self._local_ports.append(port)
        return tally


class TcpCounter(UdpCounter):
    """Counts TCP, by the rules above."""

    def _fold(self, rows: Iterable[Row]) -> None:
        by_local, by_remote, by_unused_local = self._by_local, self._by_remote, self._by_unused_local
        for local, remote, state, queues in rows:
            tally = by_local[local] or by_remote[remote] or by_unused_local[local]
            tally[state] += 1
            if queues:
                _add_queues(tally, queues)


def _add_queues(tally: list[int], queues: int) -> None:
    send, receive = split_queues(queues)
    tally[SEND_QUEUE] += send
    tally[RECEIVE_QUEUE] += receive


COUNTERS: Final[Mapping[str, type[TableCounter]]] = MappingProxyType(
    {"tcp": TcpCounter, "udp": UdpCounter, "udplite": UdpCounter, "raw": TableCounter, "unix": TableCounter}
)
"""What counts the tables of each protocol."""
