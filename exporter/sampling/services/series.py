"""Decide which services have series of their own, and in which states: bounded, with the zeros that help.

A leak that ends has to fall to 0, not to vanish, and it has to be visible that a listener is gone. So series
stay for an hour, at 0. All other services are counted with the port ``other``.
"""

from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from exporter.kernel import states
from exporter.kernel.tables import TABLES, Table
from exporter.sampling.labels import OTHER, ListenerKey, ServiceLabels, SocketKey
from exporter.sampling.services.counts import EMPTY, SEND_QUEUE, AcceptQueue, TableCount, Tally
from exporter.sampling.services.expiring import ExpiringSet
from exporter.sampling.services.listening import ListenerMemory
from exporter.sampling.services.portless import PORTLESS_PROTOCOLS
from exporter.sampling.services.ports import (
    OTHER_PORT,
    OUTBOUND,
    PORTS,
    PortRules,
    direction_of,
    fold,
    port_of,
)
from exporter.sampling.services.ranking import Weights, choose_examples
from exporter.sampling.snapshot import FoldedPort

SERIES_KEPT_SECONDS: Final = 3600
SPARSE_KEPT_SECONDS: Final = 900
UNKNOWN_STATE: Final = "unknown"

_INBOUND_STATES: Final = (
    states.ESTABLISHED,
    states.SYN_RECV,
    states.TIME_WAIT,
    states.CLOSE_WAIT,
    states.LISTEN,
)
_OUTBOUND_STATES: Final = (states.ESTABLISHED, states.SYN_SENT, states.TIME_WAIT, states.CLOSE_WAIT)
_DATAGRAM_INBOUND_STATES: Final = (states.CLOSE,)
_DATAGRAM_OUTBOUND_STATES: Final = (states.ESTABLISHED,)


@dataclass(frozen=True, slots=True)
class Folded:
    """The counts of one table: by service with series of its own, the rest at the port other.

    ``shown`` has for each service the states to show, whether or not a socket is in them now.
    """

    tallies: Mapping[int, Tally]
    shown: Mapping[int, Collection[int]]
    accept_queues: Mapping[int, AcceptQueue]


@dataclass(frozen=True, slots=True)
class Series:
    """Which series a pass has. ``own`` are the ports with series of their own.

    ``keys`` and ``listener_keys`` have the labels that were made until now, of this pass and of those before
    that had the same ports and names: to make them takes longer than to count the sockets of an idle host.
    """

    rules: PortRules
    own: frozenset[int]
    tables: Mapping[str, Folded] = field(default_factory=dict)
    folded_ports: int = 0
    folded_sockets: int = 0
    folded_examples: tuple[FoldedPort, ...] = ()
    keys: dict[tuple[str, int, int], SocketKey] = field(default_factory=dict)
    listener_keys: dict[tuple[str, int], ListenerKey] = field(default_factory=dict)

    def fold(self, service: int) -> int:
        """Return the service as which a service is shown."""
        return fold(service, self.own)

    def label(self, protocol: str, service: int) -> ServiceLabels:
        """Return the labels of a service."""
        if protocol in PORTLESS_PROTOCOLS:
            return ServiceLabels("", "", "")
        direction, port = direction_of(service), port_of(service)
        if port not in self.own:
            return ServiceLabels(direction, OTHER, OTHER)
        return ServiceLabels(direction, str(port), self.rules.names.of(protocol).get(port, str(port)))

    def key(self, table: Table, service: int, state: int) -> SocketKey:
        """Return the labels of a count of sockets."""
        at = table.name, self.fold(service), state
        if at not in self.keys:
            name = table.states.get(state, UNKNOWN_STATE)
            labels = self.label(table.protocol, service)
            self.keys[at] = SocketKey(table.protocol, table.family, name, *labels)
        return self.keys[at]

    def listener_key(self, table: Table, service: int) -> ListenerKey:
        """Return the labels of what is at the port of a service."""
        at = table.name, self.fold(service)
        if at not in self.listener_keys:
            _, *labels = self.label(table.protocol, service)
            self.listener_keys[at] = ListenerKey(table.protocol, table.family, *labels)
        return self.listener_keys[at]


class SeriesMemory:
    """Remembers which ports listened recently, and which series there were.

    Where it ``is_sparse``, no series is shown before it was not zero, and for a shorter time after.
    """

    def __init__(self, *, is_sparse: bool = False) -> None:
        self._is_sparse = is_sparse
        self._listeners: dict[str, ListenerMemory] = {}
        self._seen: dict[str, ExpiringSet[tuple[int, int]]] = {}
        self._own: frozenset[int] = frozenset()
        self._rules: PortRules | None = None
        self._keys: dict[tuple[str, int, int], SocketKey] = {}
        self._listener_keys: dict[tuple[str, int], ListenerKey] = {}

    def listened(self, table: str, now: float) -> Collection[int]:
        """Return the ports of a table that listened recently; ``now`` is on the monotonic clock."""
        return self._listeners_of(table).listened(now)

    def expected(self) -> frozenset[int]:
        """Return the services to expect: those that had series in the last pass."""
        return self._own | {port + OUTBOUND for port in self._own} | {OTHER_PORT, OUTBOUND}

    def fold(
        self, counts: Mapping[str, TableCount], rules: PortRules, leaking: Collection[int], now: float
    ) -> Series:
        """Return the series of a pass, from the counts of the tables that could be read.

        Services with sockets in one of the ``leaking`` states come before others.
        """
        weights = Weights(rules, leaking, self._own)
        for name, count in counts.items():
            listeners = self._listeners_of(name)
            listeners.see(count.listening, count.sockets_of, rules, self._own, now)
            weights.add(TABLES[name], count, listeners)
            weights.add_seen(service for service, _ in self._seen_of(name))
        chosen = weights.choose()
        own = chosen | rules.always
        if own != self._own or rules is not self._rules:
            self._own, self._rules, self._keys, self._listener_keys = own, rules, {}, {}
        folded = weights.sockets.keys() - self._own
        return Series(
            rules,
            self._own,
            {name: self._fold_table(TABLES[name], count, rules, now) for name, count in counts.items()},
            len(folded),
            sum(weights.sockets[port] for port in folded),
            tuple(choose_examples(counts, weights, folded, self._own)),
            self._keys,
            self._listener_keys,
        )

    def _fold_table(self, table: Table, count: TableCount, rules: PortRules, now: float) -> Folded:
        tallies = _fold_tallies(count, self._own)
        seen = self._seen_of(table.name)
        seen.see(((service, state) for service, tally in tallies.items() for state in _states(tally)), now)
        kept = {OTHER_PORT, *self._own}
        seen.discard(each for each in seen if each[0] % PORTS not in kept)  # or they add up for an hour
        shown: dict[int, set[int]] = {}
        if not self._is_sparse:
            shown.update((service, set(basic)) for service, basic in self._basic_states(table, rules))
        for service, state in seen:
            if fold(service, self._own) == service:
                basic = _OUTBOUND_STATES if table.protocol == "tcp" else _DATAGRAM_OUTBOUND_STATES
                has_basic = service > OUTBOUND and not self._is_sparse
                shown.setdefault(service, set(basic if has_basic else ())).add(state)
        queues: dict[int, AcceptQueue] = {}
        for port, queue in count.accept_queues.items():
            queues.setdefault(fold(port, self._own), AcceptQueue()).join(queue)
        return Folded(tallies, shown, queues)

    def _basic_states(self, table: Table, rules: PortRules) -> Iterator[tuple[int, Collection[int]]]:
        """Yield the services that always have series, and the states in which zeros help."""
        if table.protocol in PORTLESS_PROTOCOLS:
            yield OTHER_PORT, table.states
            return
        is_tcp = table.protocol == "tcp"
        inbound = _INBOUND_STATES if is_tcp else _DATAGRAM_INBOUND_STATES
        for port in (OTHER_PORT, *rules.always):
            yield port, inbound
            yield port + OUTBOUND, _OUTBOUND_STATES if is_tcp else _DATAGRAM_OUTBOUND_STATES
        for port in self._listeners_of(table.name).lasting():
            if port in self._own:
                yield port, inbound

    def _listeners_of(self, table: str) -> ListenerMemory:
        if table not in self._listeners:
            self._listeners[table] = ListenerMemory(is_datagram=TABLES[table].protocol != "tcp")
        return self._listeners[table]

    def _seen_of(self, table: str) -> ExpiringSet[tuple[int, int]]:
        if table not in self._seen:
            kept_seconds = SPARSE_KEPT_SECONDS if self._is_sparse else SERIES_KEPT_SECONDS
            self._seen[table] = ExpiringSet(kept_seconds)
        return self._seen[table]


def states_of(folded: Folded, service: int) -> Iterator[int]:
    """Yield the states of a service to show."""
    yield from folded.shown.get(service, ())
    for state in _states(folded.tallies.get(service, EMPTY)):
        if state not in folded.shown.get(service, ()):
            yield state


def _states(tally: Tally) -> Iterator[int]:
    return (state for state, sockets in enumerate(tally[:SEND_QUEUE]) if sockets)


def _fold_tallies(count: TableCount, own: AbstractSet[int]) -> Mapping[int, Tally]:
    """Return the counts by service, with every port that has no series of its own at the port other."""
    folded: dict[int, list[int]] = {}

    def tally_of(service: int) -> list[int]:
        return folded.setdefault(service, list(EMPTY))

    for service, tally in count.tallies.items():
        target = tally_of(fold(service, own))
        target[:] = [sum(pair) for pair in zip(target, tally, strict=True)]
    for direction, state, number in count.rare.totals():
        tally_of(direction)[state] += number
    for service in set(count.rare.services_at(own)):  # which are not expected, as in their first pass
        for state, number in count.rare.states_of(service):
            tally_of(fold(service, ()))[state] -= number
            tally_of(service)[state] += number
    for service, queues in count.rare_queues.items():
        target = tally_of(fold(service, own))
        for place, size in enumerate(queues, start=SEND_QUEUE):
            target[place] += size
    return folded
