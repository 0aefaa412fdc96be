"""Turn the counts of a pass into labelled series: bounded in number, and with the zeros that were measured.

Which series a page has must not depend on chance: a leak that ends has to fall to 0, not to vanish, and
a port that is quiet at the moment must be seen to be quiet. So what was there lately stays, at 0.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.kernel.tables import TABLES, Table
from exporter.sampling.attribution import Attribution
from exporter.sampling.counting import (
    EMPTY,
    PORTLESS,
    PORTLESS_PROTOCOLS,
    RECEIVE_QUEUE,
    SEND_QUEUE,
    TableCount,
    Tally,
)
from exporter.sampling.ports import INBOUND, OTHER_PORT, OUTBOUND, PortRules, Service, choose_largest
from exporter.sampling.recent import Recent
from exporter.sampling.snapshot import ListenerKey, QueueKey, SocketKey

LISTENERS_KEPT_SECONDS: Final = 600
SERIES_KEPT_SECONDS: Final = 3600
UNKNOWN_STATE: Final = "unknown"


@dataclass(slots=True)
class Series:
    """What a pass found, by label; the sum of ``sockets`` over a table is the number of its rows."""

    attribution: Attribution
    ports_folded: int
    sockets: dict[SocketKey, int] = field(default_factory=dict)
    receive_queue_bytes: dict[QueueKey, int] = field(default_factory=dict)
    send_queue_bytes: dict[QueueKey, int] = field(default_factory=dict)
    accept_queue_length: dict[ListenerKey, int] = field(default_factory=dict)
    accept_queue_limit: dict[ListenerKey, int] = field(default_factory=dict)


class SeriesMemory:
    """Knows which ports listened lately, and which series were there lately."""

    def __init__(self) -> None:
        self._listening = {name: Recent[int](LISTENERS_KEPT_SECONDS) for name in TABLES}
        self._seen = {name: Recent[tuple[Service, int]](SERIES_KEPT_SECONDS) for name in TABLES}
        self._shown: frozenset[int] = frozenset()

    def listening(self, table: str, now: float) -> tuple[int, ...]:
        """Return the ports of a table that listen, or did lately; ``now`` is on the monotonic clock."""
        self._listening[table].forget(now)
        return tuple(self._listening[table])

    def label(self, counts: Mapping[str, TableCount], rules: PortRules, now: float) -> Series:
        """Return the series of a pass, from the counts of the tables that could be read.

        ``now`` is on the monotonic clock.
        """
        for name, count in counts.items():
            self._listening[name].see(count.accept_queues, now)
            in_use = (
                (service, state) for service, tally in count.tallies.items() for state in _states(tally)
            )
            self._seen[name].see(in_use, now)
        sockets = self._weigh_ports(counts, rules)
        self._shown = choose_largest(sockets, self._shown, rules.limit)
        own = self._shown | rules.always
        attribution = Attribution(rules, own, {name: frozenset(self._listening[name]) for name in counts})
        series = Series(attribution, len(sockets.keys() - own))
        for name, count in counts.items():
            shown = self._choose_series(TABLES[name], rules, own)
            _label_table(series, TABLES[name], _fold_ports(count, own), shown)
        return series

    def _weigh_ports(self, counts: Mapping[str, TableCount], rules: PortRules) -> Mapping[int, int]:
        """Return the number of sockets at each port that competes for series of its own."""
        sockets = Counter[int]()
        for name, count in counts.items():
            protocol = TABLES[name].protocol
            sockets.update(
                {port: 0 for port in self._listening[name] if rules.is_local_service(protocol, port)}
            )
            sockets.update({service.port: 0 for service, _ in self._seen[name]})
            for service, tally in count.tallies.items():
                if total := sum(tally[:SEND_QUEUE]):
                    sockets[service.port] += total
        for port in (OTHER_PORT, *rules.always):
            del sockets[port]
        return sockets

    def _choose_series(
        self, table: Table, rules: PortRules, own: Collection[int]
    ) -> Mapping[Service, set[int]]:
        """Return the states to show of each service, whether or not a socket is in them now."""
        if table.protocol in PORTLESS_PROTOCOLS:
            complete = [PORTLESS]
        else:
            complete = [
                Service(direction, port)
                for port in (OTHER_PORT, *rules.always)
                for direction in (INBOUND, OUTBOUND)
            ]
            listening = (port for port in self._listening[table.name] if port in own)
            complete += [Service(INBOUND, p) for p in listening if rules.is_local_service(table.protocol, p)]
        shown = {service: set(table.states) for service in complete}
        for service, state in self._seen[table.name]:
            if service.port in own:
                shown.setdefault(service, set()).add(state)
        return shown


def _states(tally: Tally) -> Iterator[int]:
    return (state for state, sockets in enumerate(tally[:SEND_QUEUE]) if sockets)


def _fold_ports(count: TableCount, own: Collection[int]) -> TableCount:
    """Return the count with every port that has no series of its own moved into the other port."""
    tallies: dict[Service, Tally] = {}
    for service, tally in count.tallies.items():
        target = service if service.port in own else Service(service.direction, OTHER_PORT)
        tallies[target] = [sum(pair) for pair in zip(tallies.get(target, EMPTY), tally, strict=True)]

    def fold(by_port: Mapping[int, int]) -> Mapping[int, int]:
        folded = Counter[int]()
        for port, value in by_port.items():
            folded[port if Service(INBOUND, port) in tallies else OTHER_PORT] += value
        return folded

    return TableCount(tallies, fold(count.accept_queues), fold(count.accept_queue_limits))


def _label_table(series: Series, table: Table, count: TableCount, shown: Mapping[Service, set[int]]) -> None:
    """Add a table's series, from its counts and the states to show of each service."""
    protocol, family = table.protocol, table.family
    for service, states in shown.items():
        tally = count.tallies.get(service, EMPTY)
        labels = series.attribution.label(protocol, service)
        for state in states.union(_states(tally)):
            state_name = table.states.get(state, UNKNOWN_STATE)
            series.sockets[SocketKey(protocol, family, state_name, *labels)] = tally[state]
        if protocol != "unix":
            queue = QueueKey(protocol, family, *labels)
            series.send_queue_bytes[queue] = tally[SEND_QUEUE]
            series.receive_queue_bytes[queue] = tally[RECEIVE_QUEUE]
    for port, waiting in count.accept_queues.items():
        _, *labels_of_port = series.attribution.label(protocol, Service(INBOUND, port))
        listener = ListenerKey(protocol, family, *labels_of_port)
        series.accept_queue_length[listener] = waiting
        if port in count.accept_queue_limits:
            series.accept_queue_limit[listener] = count.accept_queue_limits[port]
