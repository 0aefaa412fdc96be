"""Say which services have series of their own, and which states of them: bounded, with the zeros that help.

Which series a page has must not depend on chance: a leak that ends has to fall to 0, not to vanish, and a
listener that is gone has to be seen to be gone. So what had series lately keeps them, at 0. All the rest is
counted with the port ``other``, and how much that is can be seen.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Final

from exporter.kernel import states
from exporter.kernel.tables import TABLES, Table
from exporter.sampling.labels import OTHER, ServiceLabels, SocketKey
from exporter.sampling.services.counting import (
    EMPTY,
    PORTLESS_PROTOCOLS,
    SEND_QUEUE,
    AcceptQueue,
    TableCount,
    Tally,
)
from exporter.sampling.services.expiring import ExpiringSet
from exporter.sampling.services.listening import ListenerMemory
from exporter.sampling.services.ports import (
    OTHER_PORT,
    OUTBOUND,
    PORTS,
    PortRules,
    direction_of,
    other_of,
    port_of,
)

SERIES_KEPT_SECONDS: Final = 3600
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

_INCUMBENT_ADVANTAGE: Final = 1.25
_INCUMBENT_SOCKETS: Final = 10
"""How many sockets more count for a port that has series: an idle listener keeps them."""


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
    """Which series a pass has. ``own`` are the ports with series of their own."""

    rules: PortRules
    own: frozenset[int]
    tables: Mapping[str, Folded] = field(default_factory=dict)
    folded_ports: int = 0
    folded_sockets: int = 0

    def fold(self, service: int) -> int:
        """Return the service as which a service is shown."""
        return service if service % PORTS in self.own else other_of(service)

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
        labels = self.label(table.protocol, service)
        return SocketKey(table.protocol, table.family, table.states.get(state, UNKNOWN_STATE), *labels)


class SeriesMemory:
    """Knows which ports listened lately, and which series there were lately."""

    def __init__(self) -> None:
        self._listeners = {
            name: ListenerMemory(is_datagram=table.protocol != "tcp") for name, table in TABLES.items()
        }
        self._seen = {name: ExpiringSet[tuple[int, int]](SERIES_KEPT_SECONDS) for name in TABLES}
        self._own: frozenset[int] = frozenset()

    def listened(self, table: str, now: float) -> Collection[int]:
        """Return the ports of a table that listened lately; ``now`` is on the monotonic clock."""
        return self._listeners[table].listened(now)

    def expected(self) -> frozenset[int]:
        """Return the services that are to be counted quickly: those that had series at the last pass."""
        return self._own | {port + OUTBOUND for port in self._own} | {OTHER_PORT, OUTBOUND}

    def fold(
        self, counts: Mapping[str, TableCount], rules: PortRules, leaking: Collection[int], now: float
    ) -> Series:
        """Return the series of a pass, from the counts of the tables that could be read.

        Services with sockets in one of the ``leaking`` states come before others.
        """
        weights = _Weights(rules, leaking, self._own)
        for name, count in counts.items():
            sockets = count.sockets
            self._listeners[name].see(count.listening, sockets, rules, self._own, now)
            weights.add(TABLES[name], count, sockets, self._listeners[name])
            weights.add_seen(service for service, _ in self._seen[name])
        chosen = weights.choose()
        self._own = chosen | rules.always
        folded = weights.sockets.keys() - self._own
        return Series(
            rules,
            self._own,
            {name: self._fold_table(TABLES[name], count, rules, now) for name, count in counts.items()},
            len(folded),
            sum(weights.sockets[port] for port in folded),
        )

    def _fold_table(self, table: Table, count: TableCount, rules: PortRules, now: float) -> Folded:
        tallies = _fold_tallies(count, self._own)
        seen = self._seen[table.name]
        seen.see(((service, state) for service, tally in tallies.items() for state in _states(tally)), now)
        kept = {OTHER_PORT, *self._own}
        seen.discard(each for each in seen if each[0] % PORTS not in kept)  # or a crowd adds up for an hour
        shown = {service: set(basic) for service, basic in self._basic_states(table, rules)}
        for service, state in seen:
            if service % PORTS in self._own or service == other_of(service):
                basic = _OUTBOUND_STATES if table.protocol == "tcp" else _DATAGRAM_OUTBOUND_STATES
                shown.setdefault(service, set(basic if service > OUTBOUND else ())).add(state)
        queues: dict[int, AcceptQueue] = {}
        for port, queue in count.accept_queues.items():
            queues.setdefault(port if port in self._own else OTHER_PORT, AcceptQueue()).join(queue)
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
        for port in self._listeners[table.name].known():
            if port in self._own:
                yield port, inbound


class _Weights:
    """Weighs the ports that compete for series of their own.

    What is configured comes first, then what leaks, what has a name, what listens, and last what is merely
    busy. Among equals it is the connected sockets that count: who opens listeners takes nobody's place. One
    that has series keeps them until another has a quarter and ten more, so that two of about one size do
    not take turns.
    """

    def __init__(self, rules: PortRules, leaking: Collection[int], own: Collection[int]) -> None:
        self.sockets = Counter[int]()
        self._rules = rules
        self._leaking_states = leaking
        self._own = own
        self._leaking: set[int] = set()
        self._named: set[int] = set()
        self._listening: set[int] = set()

    def add(
        self, table: Table, count: TableCount, sockets: Mapping[int, int], listeners: ListenerMemory
    ) -> None:
        """Add the ports of a table; a port that is nothing else has to have more than one socket."""
        if table.protocol in PORTLESS_PROTOCOLS:
            return
        named = self._rules.named(table.protocol)
        lasting = listeners.lasting()
        is_ephemeral = self._rules.is_ephemeral
        for service, number in sockets.items():
            port = service % PORTS
            is_named = port in named
            if port == OTHER_PORT or (number <= 1 and not is_named and port not in lasting):
                continue
            if service < OUTBOUND and is_ephemeral[port] and not is_named and port not in lasting:
                continue
            self.sockets[port] += number
            if is_named:
                self._named.add(port)
        self._listening.update(lasting)
        for port in lasting:
            self.sockets[port] += 0
        self._leaking.update(
            service % PORTS
            for service, tally in count.tallies.items()
            if any(tally[state] for state in self._leaking_states)
        )
        self._leaking.update(
            service % PORTS for service, state in count.sparse if state in self._leaking_states
        )

    def add_seen(self, services: Iterator[int]) -> None:
        """Add the services that had series lately."""
        for service in services:
            self.sockets[service % PORTS] += 0

    def choose(self) -> frozenset[int]:
        """Return the ports that have series of their own."""
        for port in (OTHER_PORT, *self._rules.always):
            self.sockets.pop(port, None)
        return frozenset(nsmallest(self._rules.limit, self.sockets, key=self._rank))

    def _rank(self, port: int) -> tuple[int, float, int]:
        weight: float = self.sockets[port]
        if port in self._own:
            weight = weight * _INCUMBENT_ADVANTAGE + _INCUMBENT_SOCKETS
        return self._class(port), -weight, port

    def _class(self, port: int) -> int:
        classes = (self._rules.names.configured, self._leaking, self._named, self._listening)
        return next((place for place, ports in enumerate(classes) if port in ports), len(classes))


def states_of(folded: Folded, service: int) -> Iterator[int]:
    """Yield the states of a service to show."""
    yield from folded.shown.get(service, ())
    for state in _states(folded.tallies.get(service, EMPTY)):
        if state not in folded.shown.get(service, ()):
            yield state


def _states(tally: Tally) -> Iterator[int]:
    return (state for state, sockets in enumerate(tally[:SEND_QUEUE]) if sockets)


def _fold_tallies(count: TableCount, own: Collection[int]) -> Mapping[int, Tally]:
    """Return the counts by service, with every port that has no series of its own at the port other."""
    folded: dict[int, list[int]] = {}

    def tally_of(service: int) -> list[int]:
        shown = service if service % PORTS in own else other_of(service)
        return folded.setdefault(shown, list(EMPTY))

    for service, tally in count.tallies.items():
        target = tally_of(service)
        target[:] = [sum(pair) for pair in zip(target, tally, strict=True)]
    for (service, state), number in count.sparse.items():
        tally_of(service)[state] += number
    for service, queues in count.sparse_queues.items():
        target = tally_of(service)
        for place, size in enumerate(queues, start=SEND_QUEUE):
            target[place] += size
    return folded


def choose_largest(sockets: Mapping[str, int], shown: Collection[str], limit: int) -> frozenset[str]:
    """Return the ``limit`` names with the most sockets; one that is ``shown`` keeps its place for longer."""

    def rank(name: str) -> tuple[float, str]:
        return -sockets[name] * (_INCUMBENT_ADVANTAGE if name in shown else 1), name

    return frozenset(nsmallest(limit, sockets, key=rank))
