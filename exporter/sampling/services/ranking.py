"""Choose what gets series of its own, within a limit: the most important first, with hysteresis."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from heapq import nlargest, nsmallest
from itertools import islice
from typing import Final

from exporter.kernel.tables import TABLES, Table
from exporter.sampling.services.counts import TableCount
from exporter.sampling.services.listening import ListenerMemory
from exporter.sampling.services.portless import PORTLESS_PROTOCOLS
from exporter.sampling.services.ports import OTHER_PORT, OUTBOUND, PORTS, PortRules, direction_of, port_of
from exporter.sampling.snapshot import FoldedPort

_EXAMPLES: Final = 10
_INCUMBENT_ADVANTAGE: Final = 1.25
_INCUMBENT_SOCKETS: Final = 10
"""Sockets that are added for a port that has series, so that an idle listener keeps them."""


class Weights:
    """Weighs the ports that compete for series of their own.

    Ports named in the configuration come first, then ports in trouble, which leak or have a full accept
    queue, ports with a name, ports that listen, and last those that are only busy. Within a class connected
    sockets decide: opening many listeners displaces nobody. A port keeps its series until another has a
    quarter and ten sockets more, so that two of about one size do not alternate.
    """

    def __init__(self, rules: PortRules, leaking: Collection[int], own: Collection[int]) -> None:
        self.sockets = Counter[int]()
        self._rules = rules
        self._leaking_states = leaking
        self._own = own
        self._in_trouble: set[int] = set()
        self._named: set[int] = set()
        self._listening: set[int] = set()

    def add(self, table: Table, count: TableCount, listeners: ListenerMemory) -> None:
        """Add the ports of a table; one without a name and without a listener needs more than one socket."""
        if table.protocol in PORTLESS_PROTOCOLS:
            return
        named = self._rules.named(table.protocol)
        lasting = listeners.lasting()
        is_ephemeral = self._rules.is_ephemeral
        for service in {*count.expected, *count.several, *count.rare.services_at({*named, *lasting})}:
            port, number = service % PORTS, count.several.get(service, 1)
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
        self._in_trouble.update(
            port for port, queue in count.accept_queues.items() if (queue.utilization or 0) >= 1
        )
        self._in_trouble.update(
            service % PORTS
            for service, tally in count.tallies.items()
            if any(tally[state] for state in self._leaking_states)
        )
        self._in_trouble.update(service % PORTS for service in count.rare.services_in(self._leaking_states))

    def add_seen(self, services: Iterator[int]) -> None:
        """Add the services that had series recently."""
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
        classes = (self._rules.names.configured, self._in_trouble, self._named, self._listening)
        return next((place for place, ports in enumerate(classes) if port in ports), len(classes))


def choose_largest(sockets: Mapping[str, int], shown: Collection[str], limit: int) -> frozenset[str]:
    """Return the ``limit`` names with the most sockets; one that is ``shown`` keeps its place longer."""

    def rank(name: str) -> tuple[float, str]:
        return -sockets[name] * (_INCUMBENT_ADVANTAGE if name in shown else 1), name

    return frozenset(nsmallest(limit, sockets, key=rank))


def choose_examples(
    counts: Mapping[str, TableCount], weights: Weights, folded: AbstractSet[int], own: AbstractSet[int]
) -> Iterator[FoldedPort]:
    """Yield some ports that are folded into other: those over the limit, busiest first, then unnamed ones."""
    for port in nlargest(_EXAMPLES, folded, key=lambda port: (weights.sockets[port], -port)):
        yield FoldedPort(port, weights.sockets[port], is_over_limit=True)
    known = {OTHER_PORT, *own, *folded}
    services = dict.fromkeys(
        service
        for name, count in counts.items()
        if TABLES[name].protocol not in PORTLESS_PROTOCOLS
        for service in count.rare.examples(known, _EXAMPLES)
    )
    for service in islice(services, _EXAMPLES):
        sockets = sum(number for count in counts.values() for _, number in count.rare.states_of(service))
        yield FoldedPort(port_of(service), sockets, is_over_limit=False, direction=direction_of(service))
