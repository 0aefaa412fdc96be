"""Show the sockets that wait for an answer from the other end: a peer, or a network, that has vanished.

The kernel sends again what was not acknowledged: data, a SYN, a probe. It counts the tries by socket, and
begins at 0 with every answer, so three in a row are no congestion. A peer that keeps its window closed
answers the probes and is not counted.
"""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final, NamedTuple, cast

from exporter.config.settings import Settings
from exporter.kernel import states
from exporter.kernel.rows import (
    TIMER_KEEPALIVE,
    TIMER_RETRANSMIT,
    TIMER_WINDOW_PROBE,
    InetRows,
    Rows,
)
from exporter.kernel.tables import TABLES, Table
from exporter.sampling.collectors.collector import Collector, Pass, Plan
from exporter.sampling.labels import Metric, Samples, UnansweredKey
from exporter.sampling.reading.walk import Observer
from exporter.sampling.services.counting import TableCounter
from exporter.sampling.services.expiring import ExpiringSet
from exporter.sampling.services.series import SERIES_KEPT_SECONDS

TRIES: Final = 3
"""After so many tries a peer has not answered for more than a second, and for three when connecting."""

_HANDSHAKES: Final = frozenset({states.SYN_SENT, states.SYN_RECV})
_WAITING: Final = MappingProxyType(
    {TIMER_RETRANSMIT: "data", TIMER_KEEPALIVE: "keepalive", TIMER_WINDOW_PROBE: "window"}
)


class Group(NamedTuple):
    """What unanswered sockets of one table have in common."""

    service: int
    state: int
    waiting: str


class Unanswered(Collector):
    """Counts the sockets with unanswered tries, and remembers which series there were recently."""

    name = "unanswered"
    metrics: ClassVar = (
        Metric(
            "netstat_unanswered_sockets",
            "TCP sockets whose peer has not answered three or more tries in a row, by what they wait for an "
            "answer to: data, keepalive, window (a probe), handshake (timer and retransmits of the kernel's "
            "tables).",
            UnansweredKey._fields,
        ),
    )

    def __init__(self) -> None:
        self._seen = ExpiringSet[tuple[str, Group]](SERIES_KEPT_SECONDS)

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.unanswered.enabled

    def observe(self, table: Table, counter: TableCounter, plan: Plan) -> Observer | None:
        """Return an observer that finds the sockets with unanswered tries."""
        del plan
        return TryingObserver(counter) if table.protocol == "tcp" else None

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the sockets by series; a series that was not 0 recently is shown at 0."""
        counts = Counter[tuple[str, Group]]()
        read = set()
        for table, observer in seen.observers(self.name):
            read.add(table.name)
            found = observer.counts if isinstance(observer, TryingObserver) else {}
            for (service, state, timer), number in found.items():
                group = Group(seen.series.fold(service), state, _name_answer(state, timer))
                counts[table.name, group] += number
        self._seen.see(counts, seen.now)
        self._seen.discard(
            each for each in self._seen if seen.series.fold(each[1].service) != each[1].service
        )
        return {
            "netstat_unanswered_sockets": {
                _key_of(TABLES[name], group, seen): counts[name, group]
                for name, group in self._seen
                if name in read
            }
        }


class TryingObserver:
    """Counts the sockets of one table that have tried so often, by service, state and timer."""

    def __init__(self, counter: TableCounter) -> None:
        self.counts = Counter[tuple[int, int, int]]()
        self._find_service = counter.find_service

    def observe(self, rows: Rows) -> None:
        """Count the sockets among some rows."""
        if rows.states:  # else they are listeners
            for local_port, remote_port, state, timer in cast("InetRows", rows).trying(TRIES):
                self.counts[self._find_service(local_port, remote_port), state, timer] += 1


def _name_answer(state: int, timer: int) -> str:
    return "handshake" if state in _HANDSHAKES and timer == TIMER_RETRANSMIT else _WAITING[timer]


def _key_of(table: Table, group: Group, seen: Pass) -> UnansweredKey:
    key = seen.series.key(table, group.service, group.state)
    return UnansweredKey(
        key.protocol, key.family, key.direction, key.port, key.port_name, key.state, group.waiting
    )
