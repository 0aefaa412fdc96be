"""Fold the rows of a table into counts per service, without keeping anything per socket.

The tables do not say who opened a TCP connection. The ports decide:

1. The local port listens, or did recently: inbound, to the local port.
2. Else the local port is one that the kernel chose itself: this host opened the connection; outbound, to the
   remote port.
3. Else the remote port has a name or is in ``ports.always``: outbound.
4. Else inbound, to the local port: its listener is gone.

For UDP an unconnected socket at a port takes the place of a listener.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final, cast

from exporter.kernel import states
from exporter.kernel.rows import InetRows, Listener, Rows
from exporter.kernel.tables import Table
from exporter.sampling.services.counts import (
    EMPTY,
    RECEIVE_QUEUE,
    SEND_QUEUE,
    AcceptQueue,
    RareCount,
    TableCount,
)
from exporter.sampling.services.portless import PORTLESS_PROTOCOLS, PortlessCounter
from exporter.sampling.services.ports import OTHER_PORT, OUTBOUND, PORTS, Directions, PortRules

_NOTHING: Final = list(EMPTY)


class TableCounter:
    """Counts one table of a protocol with ports, walk after walk.

    What depends on the rules only is kept between walks: to make it again costs more than a small table does.
    Services are *expected* when they have a name or had series of their own recently. Each of them has a list
    of counts, which the ports of a row find by index. All other services are *rare*: see ``RareCount``.
    ``find_service`` returns the service of a socket, by the rules above. The indexes take a megabyte, so a
    table has them from its first row on: many hosts have tables that are always empty.
    """

    def __init__(self, table: Table, rules: PortRules) -> None:
        self._is_datagram = table.protocol != "tcp"
        self._is_ephemeral = rules.is_ephemeral
        self._named = rules.named(table.protocol)
        self._unresolved: list[int] = [0]  # stands for every tally that has to be searched
        self._by_local: list[list[int] | None] = []
        self._by_remote: list[list[int] | None] = []
        self._tallies: dict[int, list[int]] = {}
        self._inbound: set[int] = set()
        self._has_rows = False
        self.directions = Directions(self._inbound, self._is_ephemeral, self._named)
        self.find_service = self.directions.find_service
        for port in self._named:
            self._expect(port + OUTBOUND)

    def begin(self, listened: Iterable[int], expected: Collection[int]) -> None:
        """Forget what was counted before.

        ``listened`` are the ports that listened recently, ``expected`` the services with series of their own.
        """
        if self._has_rows:
            for tally in self._tallies.values():
                tally[:] = EMPTY
        self._has_rows = False
        for port in self._inbound if self._by_local else ():
            self._by_local[port] = None if self._is_ephemeral[port] else self._unresolved
        self._inbound.clear()
        for service in expected - self._tallies.keys():
            self._expect(service)
        self._listening: set[int] = set()
        self._accept_queues: dict[int, AcceptQueue] = {}
        self._listeners: list[Listener] = []
        self._rare = RareCount()
        self._rare_queues: dict[int, tuple[int, int]] = {}
        for port in listened:
            self._mark_inbound(port)

    def observe(self, rows: Rows) -> None:
        """Count some rows."""
        if not rows.listed:
            return
        self._has_rows = True
        if not self._by_local:
            self._index_tallies()
        self._find_listeners(rows)
        if rows.states:
            self._count(cast("InetRows", rows))

    def _count(self, rows: InetRows) -> None:
        """Count rows other than those of listeners alone."""
        split_queues = rows.split_queues
        by_local, by_remote, unresolved = self._by_local, self._by_remote, self._unresolved
        inbound, named, find_tally = self._inbound, self._named, self._tallies.get
        inbound_ports, outbound_ports = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
        for state, local, remote, queues in rows.unpack():
            tally = by_local[local] or by_remote[remote] or unresolved
            if tally is unresolved:
                # As find_service decides, without a call. by_remote has all outbound services with a name.
                if by_local[local] is None:
                    service = remote + OUTBOUND
                elif local in inbound or remote not in named:
                    service = local
                    tally = find_tally(service, unresolved)
                else:
                    service = remote + OUTBOUND
                    tally = by_remote[remote] or unresolved
                if tally is unresolved:
                    (outbound_ports if service >= OUTBOUND else inbound_ports)[state].append(service % PORTS)
                    if queues:
                        self._add_rare_queues(service, *split_queues(queues))
                    continue
            tally[state] += 1
            if queues:
                send, receive = split_queues(queues)
                tally[SEND_QUEUE] += send
                tally[RECEIVE_QUEUE] += receive
        self._rare.add(OTHER_PORT, inbound_ports)
        self._rare.add(OUTBOUND, outbound_ports)

    def has_outgrown(self, expected: Collection[int]) -> bool:
        """Return whether there are far more tallies than services that have a name or are expected."""
        return len(self._tallies) > len(self._named) + 2 * len(expected) + PORTS // 64

    def find_outbound_ports(self) -> bytes:
        """Return 1 for each local port that the kernel chooses to connect from, 0 for others, by port."""
        flags = bytearray(self._is_ephemeral)
        for port in self._inbound:
            flags[port] = 0
        return bytes(flags)

    def finish(self) -> TableCount:
        """Return what was counted."""
        tallies = self._tallies.items() if self._has_rows else ()
        return TableCount(
            {service: tuple(tally) for service, tally in tallies if tally != _NOTHING},
            self._rare,
            self._rare_queues,
            self._listening,
            self._accept_queues,
            self._listeners,
        )

    def _expect(self, service: int) -> None:
        tally = self._tallies[service] = list(EMPTY)
        if service >= OUTBOUND and self._by_remote:
            self._by_remote[service - OUTBOUND] = tally

    def _mark_inbound(self, port: int) -> None:
        """Count connections at a local port as inbound."""
        self._inbound.add(port)
        if self._by_local:
            self._by_local[port] = self._tallies.get(port, self._unresolved)

    def _index_tallies(self) -> None:
        """Let ports find their tallies by index."""
        self._by_local = [None if flag else self._unresolved for flag in self._is_ephemeral]
        self._by_remote = [None] * PORTS
        for service, tally in self._tallies.items():
            if service >= OUTBOUND:
                self._by_remote[service - OUTBOUND] = tally
        for port in self._inbound:
            self._by_local[port] = self._tallies.get(port, self._unresolved)

    def _find_listeners(self, rows: Rows) -> None:
        if rows.listeners:
            self._listeners += rows.listeners
            self._count_listeners(rows.listeners)
        elif self._is_datagram and states.CLOSE in rows.states:
            self._mark_unconnected(rows)

    def _mark_unconnected(self, rows: Rows) -> None:
        """Count datagram sockets as inbound at ports that have an unconnected socket.

        The kernel hashes these sockets by port, so it lists those of one port one after the other.
        """
        found = {local for _, local, remote, _ in rows.unpack() if not remote}
        self._listening |= found
        for port in found - self._inbound:
            self._mark_inbound(port)

    def _count_listeners(self, listeners: Iterable[Listener]) -> None:
        rare: list[int] = []
        for listener in listeners:
            port = listener.port
            if port not in self._inbound:
                self._mark_inbound(port)
            self._listening.add(port)
            self._accept_queues.setdefault(port, AcceptQueue()).add(listener.waiting, listener.limit)
            if tally := self._tallies.get(port):
                tally[states.LISTEN] += 1
            else:
                rare.append(port)
        if rare:
            self._rare.add(OTHER_PORT, {states.LISTEN: rare})

    def _add_rare_queues(self, service: int, send: int, receive: int) -> None:
        before_send, before_receive = self._rare_queues.get(service, (0, 0))
        self._rare_queues[service] = before_send + send, before_receive + receive


class Counters:
    """The counters of all tables; that of an unfinished walk is replaced: a hanging read may add to it."""

    def __init__(self, rules: PortRules) -> None:
        self._rules = rules
        self._counters: dict[str, TableCounter] = {}
        self._begun: dict[str, TableCounter | PortlessCounter] = {}

    def change_rules(self, rules: PortRules) -> None:
        """Count by other rules from the next walk on."""
        if rules.directions != self._rules.directions:
            self._counters.clear()
        self._rules = rules

    def begin(
        self, table: Table, listened: Iterable[int], expected: Collection[int]
    ) -> TableCounter | PortlessCounter:
        """Return the counter of a table for one walk."""
        was_left = self._begun.pop(table.name, None)
        counter: TableCounter | PortlessCounter = PortlessCounter(table)
        if table.protocol not in PORTLESS_PROTOCOLS:
            counter = self._reuse(table, expected, was_left)
            counter.begin(listened, expected)
        self._begun[table.name] = counter
        return counter

    def finish(self, table: str) -> TableCount:
        """Return what the last walk of a table counted."""
        return self._begun.pop(table).finish()

    def _reuse(self, table: Table, expected: Collection[int], was_left: object) -> TableCounter:
        """Return the counter of the last walk, unless it is unfinished or full of services that are gone."""
        counter = self._counters.get(table.name)
        if counter is None or counter is was_left or counter.has_outgrown(expected):
            counter = self._counters[table.name] = TableCounter(table, self._rules)
        return counter
