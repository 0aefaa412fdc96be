"""Show the established connections that have had no data for long, which a pool keeps, or a program forgot.

The tables do not say it. TCP_INFO does, which makes a dump three times as large, so it is asked for once a
minute. What was found is shown until it is asked for again.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import ClassVar

from exporter.config.settings import Settings
from exporter.kernel.netlink import Reason, SockDiagError
from exporter.kernel.sockdiag import walk_idle
from exporter.kernel.tables import TABLES, Table
from exporter.sampling.collectors.collector import Collector, Pass, Plan
from exporter.sampling.labels import IdleKey, Metric, Samples
from exporter.sampling.reading.walk import READ_ERRORS, Observer
from exporter.sampling.services.cadence import Cadence
from exporter.sampling.services.counting import TableCounter
from exporter.sampling.services.expiring import ExpiringSet
from exporter.sampling.services.series import SERIES_KEPT_SECONDS

Found = Counter[tuple[str, int, bool]]
"""Idle connections by table, service, and whether keepalive probes will be sent."""


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
        self._cadence = Cadence()
        self._after_seconds: float | None = None
        self._counters: dict[str, TableCounter] = {}
        self._found: Found | None = None
        self._error: Exception | None = None
        self._seen = ExpiringSet[tuple[str, int, bool]](SERIES_KEPT_SECONDS)

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.idle.enabled

    def prepare(self, plan: Plan) -> None:
        """Forget the counters of tables that are read no more."""
        del plan
        self._counters.clear()

    def observe(self, table: Table, counter: TableCounter, plan: Plan) -> Observer | None:
        """Keep the counter, which knows the services; no row of the table is needed."""
        del plan
        if table.protocol == "tcp":
            self._counters[table.name] = counter
        return None

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the last measurement by series; a series that was not 0 recently is shown at 0."""
        wanted = seen.settings.idle
        tables = [TABLES[name] for name in self._counters if name in seen.counts]
        is_changed = self._after_seconds not in {None, wanted.after_seconds}
        if tables and (self._cadence.is_due(seen.settings, seen.now) or is_changed):
            self._after_seconds = wanted.after_seconds
            self._measure(tables, seen)
        if self._error is not None:
            raise self._error
        if self._found is None:
            return {"netstat_idle_sockets": {}}
        fold = seen.series.fold
        counts = Found()
        for (name, service, has_keepalive), number in self._found.items():
            counts[name, fold(service), has_keepalive] += number
        self._seen.see(counts, seen.now)
        self._seen.discard(each for each in self._seen if fold(each[1]) != each[1])
        return {
            "netstat_idle_sockets": {
                _key_of(TABLES[name], service, has_keepalive, seen): counts[name, service, has_keepalive]
                for name, service, has_keepalive in self._seen
                if name in seen.counts
            }
        }

    def _measure(self, tables: list[Table], seen: Pass) -> None:
        """Count the idle connections; there is nothing to show where netlink is not available.

        What goes wrong is raised at every pass until the next measurement.
        """
        self._found = self._error = None
        started_cpu = seen.reader.cpu_seconds
        try:
            self._found = seen.reader.ask(
                "idle connections",
                lambda deadline: Found(self._walk(tables, seen.settings.idle.after_seconds, deadline)),
                seen.settings.timeout_seconds,
            )
        except READ_ERRORS as error:
            if not isinstance(error, SockDiagError) or error.reason is not Reason.UNAVAILABLE:
                self._error = error
        finally:
            cost_seconds = seen.reader.cpu_seconds - started_cpu
            self._cadence.note(seen.settings, seen.settings.idle.every_seconds, seen.now, cost_seconds)

    def _walk(
        self, tables: list[Table], after_seconds: float, deadline: float
    ) -> Iterator[tuple[str, int, bool]]:
        find_service = {name: counter.find_service for name, counter in self._counters.items()}
        for table, found in walk_idle(tables, after_seconds, deadline):
            for local_port, remote_port, has_keepalive in found:
                yield table.name, find_service[table.name](local_port, remote_port), has_keepalive


def _key_of(table: Table, service: int, has_keepalive: bool, seen: Pass) -> IdleKey:  # noqa: FBT001
    labels = seen.series.label(table.protocol, service)
    return IdleKey(table.protocol, table.family, *labels, "yes" if has_keepalive else "no")
