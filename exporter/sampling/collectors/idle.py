"""Show the established connections that have had no data for long, which a pool keeps, or a program forgot.

The tables do not say it. TCP_INFO does, which makes a dump three times as large, so it is asked for once a
minute, in the dump of the tables. What was found is shown until it is asked for again.
"""

import math
from collections import Counter
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, cast

from exporter.config.settings import Settings
from exporter.kernel.diag_rows import DiagRows
from exporter.kernel.rows import Rows
from exporter.kernel.tables import TABLES, Detail, Table
from exporter.sampling.collectors.collector import Collector, FindService, Pass, Plan
from exporter.sampling.labels import IdleKey, Metric, Samples
from exporter.sampling.reading.walk import Observer
from exporter.sampling.services.counting import TableCounter
from exporter.sampling.services.details import SpacedDetail
from exporter.sampling.services.expiring import ExpiringSet
from exporter.sampling.services.series import SERIES_KEPT_SECONDS


class Group(NamedTuple):
    """What idle connections have in common."""

    table: str
    service: int
    has_keepalive: bool


class Idle(Collector):
    """Counts idle connections every now and then, and remembers which series there were recently."""

    name = "idle"
    metrics: ClassVar = (
        Metric(
            "netstat_idle_sockets",
            "Established TCP connections without data sent or received for idle.after, by whether keepalive "
            "probes are on, when last asked for (tcpi_last_data_sent and tcpi_last_data_recv in sock_diag).",
            IdleKey._fields,
        ),
    )

    def __init__(self) -> None:
        self._times = SpacedDetail[Mapping[str, Observer]](Detail.DATA_TIMES)
        self._after_seconds: float | None = None
        self._seen = ExpiringSet[Group](SERIES_KEPT_SECONDS)

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.idle.enabled

    @property
    def needed_details(self) -> Detail:
        """The times of the last data, when they are due."""
        return self._times.due

    def prepare(self, plan: Plan) -> None:
        """Decide whether to ask in this pass."""
        after_seconds = plan.settings.idle.after_seconds
        is_changed = self._after_seconds not in {None, after_seconds}
        self._after_seconds = after_seconds
        self._times.plan(plan.settings, plan.now, at_once=is_changed)

    def observe(self, table: Table, counter: TableCounter, plan: Plan) -> Observer | None:
        """Return an observer that finds idle connections, when they are asked for."""
        is_asked = self._times.due and table.protocol == "tcp"
        return IdleObserver(counter.find_service, plan.settings) if is_asked else None

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the last answer by series; a series that was not 0 recently is shown at 0."""
        found = self._find(seen)
        if found is None:
            return {"netstat_idle_sockets": {}}
        fold = seen.series.fold
        counts = Counter[Group]()
        for name, observer in found.items():
            for (service, has_keepalive), number in cast("IdleObserver", observer).counts.items():
                counts[Group(name, fold(service), has_keepalive)] += number
        self._seen.see(counts, seen.now)
        self._seen.discard(group for group in self._seen if fold(group.service) != group.service)
        return {
            "netstat_idle_sockets": {
                _key_of(group, seen): counts[group] for group in self._seen if group.table in seen.counts
            }
        }

    def _find(self, seen: Pass) -> Mapping[str, Observer] | None:
        if not seen.find_services():
            return None
        return self._times.find(
            seen.settings,
            seen.settings.idle.every_seconds,
            seen.now,
            lambda: seen.read_detail(
                self.name, Detail.DATA_TIMES, lambda find_service: IdleObserver(find_service, seen.settings)
            ),
        )


class IdleObserver:
    """Counts the idle connections of one table, by service and whether keepalive probes will be sent."""

    def __init__(self, find_service: FindService, settings: Settings) -> None:
        self.counts = Counter[tuple[int, bool]]()
        self._find_service = find_service
        self._milliseconds = math.ceil(settings.idle.after_seconds * 1000)

    def observe(self, rows: Rows) -> None:
        """Count the connections among some rows."""
        if isinstance(rows, DiagRows):
            for local_port, remote_port, has_keepalive in rows.idle(self._milliseconds):
                self.counts[self._find_service(local_port, remote_port), has_keepalive] += 1


def _key_of(group: Group, seen: Pass) -> IdleKey:
    table = TABLES[group.table]
    labels = seen.series.label(table.protocol, group.service)
    return IdleKey(table.protocol, table.family, *labels, "yes" if group.has_keepalive else "no")
