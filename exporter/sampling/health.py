"""Report the health of tables, collectors and passes, and log when it changes, not at every pass."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import structlog

from exporter.config.settings import NETLINK, PROCFS, SOURCES
from exporter.kernel.tables import TABLES
from exporter.sampling.collectors.collector import PartialError
from exporter.sampling.labels import Metric, Samples
from exporter.sampling.passes import Outcome
from exporter.sampling.reading.sources import other_source
from exporter.sampling.reading.walk import READ_ERRORS, Reading
from exporter.sampling.snapshot import CollectorStatus, Snapshot, TableStatus

log = structlog.get_logger()

_TABLE: Final = ("table",)

METRICS: Final = (
    Metric(
        "netstat_exporter_table_success",
        "Whether the last pass read the whole table; its sockets are absent when it did not.",
        _TABLE,
    ),
    Metric(
        "netstat_exporter_table_duration_seconds",
        "Time to read and count the kernel's table in the last pass.",
        _TABLE,
    ),
    Metric(
        "netstat_exporter_table_rows",
        "Rows that the kernel listed in the table in the last pass.",
        _TABLE,
    ),
    Metric(
        "netstat_exporter_table_source_info",
        "Kernel interface that the last pass read the table from: procfs or netlink.",
        ("table", "source"),
    ),
    Metric(
        "netstat_exporter_malformed_rows_total",
        "Rows of the kernel's table that were skipped because they could not be parsed.",
        _TABLE,
    ),
    Metric(
        "netstat_exporter_repeated_rows_total",
        "Rows that the kernel's table listed twice because it changed between two reads, counted once.",
        _TABLE,
    ),
    Metric(
        "netstat_exporter_sockstat_difference",
        "Sockets counted in the last pass minus the kernel's own count (inuse in sockstat and sockstat6).",
        ("protocol", "family"),
    ),
    Metric(
        "netstat_exporter_collector_success",
        "Whether the collector succeeded in the last pass; what it did not measure is absent.",
        ("collector",),
    ),
    Metric(
        "netstat_exporter_collector_duration_seconds",
        "Time that the collector took in the last pass, after the tables were read.",
        ("collector",),
    ),
    Metric("netstat_exporter_pass_duration_seconds", "Time that the last pass over all tables took."),
    Metric(
        "netstat_exporter_pass_cpu_seconds",
        "CPU time that the last pass over all tables took, user and system.",
    ),
    Metric(
        "netstat_exporter_pass_interval_seconds",
        "Current interval between passes: the configured one, or longer when passes exceed cpu_budget.",
    ),
    Metric(
        "netstat_exporter_passes_total",
        "Passes by result: success, partial (a table or a collector failed), failure (no table was read).",
        ("result",),
    ),
    Metric(
        "netstat_exporter_last_pass_timestamp_seconds",
        "Unix time of the snapshot that all socket counts on this page come from.",
    ),
)
"""The metrics that do not depend on collectors."""

_CHANGES: Final = {
    "table": ("table failed", "table recovered"),
    "collector": ("collector failed", "collector recovered"),
    NETLINK: ("netlink failed, falling back to procfs", "netlink recovered"),
    PROCFS: ("procfs failed, falling back to netlink", "procfs recovered"),
}
"""Log messages by subject: when it fails, and when it recovers."""


class Health:
    """The health of tables, collectors and passes until now."""

    def __init__(self) -> None:
        self._errors: dict[tuple[str, str], str] = {}
        self._failing: dict[tuple[str, str], float] = {}
        self._sources: dict[str, str] = {}
        self._malformed = Counter[str]()
        self._repeated = Counter[str]()
        self._passes = Counter(success=0, partial=0, failure=0)

    @property
    def passes(self) -> int:
        """Number of passes until now."""
        return self._passes.total()

    def describe_table(self, table: str, reading: Reading) -> TableStatus:
        """Return the status of a table after a reading."""
        error = self.log_change("table", table, reading.error)
        rows = 0
        if reading.observed:
            totals = reading.observed.totals
            rows = totals.listed
            self._malformed[table] += totals.malformed
            self._repeated[table] += totals.repeated
            self._log_source(table, reading, rows)
        failing_seconds = self._time_failure("table", table, error)
        return TableStatus(table, reading.source, rows, reading.duration_seconds, error, failing_seconds)

    def describe_collector(self, outcome: Outcome) -> CollectorStatus:
        """Return the status of a collector after a pass."""
        error = self.log_change("collector", outcome.collector, outcome.error)
        failing_seconds = self._time_failure("collector", outcome.collector, error)
        return CollectorStatus(outcome.collector, outcome.duration_seconds, error, failing_seconds)

    def count_pass(self, tables: Sequence[TableStatus], collectors: Iterable[CollectorStatus]) -> None:
        """Count a pass by its result."""
        if all(status.error for status in tables):
            self._passes["failure"] += 1
        elif any(status.error for status in tables) or any(status.error for status in collectors):
            self._passes["partial"] += 1
        else:
            self._passes["success"] += 1

    def measure(
        self,
        tables: Sequence[TableStatus],
        collectors: Sequence[CollectorStatus],
        readings: Mapping[str, Reading],
    ) -> dict[str, Samples]:
        """Return the samples about tables and collectors."""
        differences: dict[tuple[str, ...], float] = {
            (TABLES[name].protocol, TABLES[name].family): reading.sockstat_difference
            for name, reading in readings.items()
            if reading.sockstat_difference is not None
        }
        names = [status.table for status in tables]
        return {
            "netstat_exporter_table_success": {(each.table,): not each.error for each in tables},
            "netstat_exporter_table_duration_seconds": {
                (each.table,): each.duration_seconds for each in tables
            },
            "netstat_exporter_table_rows": {(each.table,): each.rows for each in tables},
            "netstat_exporter_table_source_info": {(each.table, each.source): 1 for each in tables},
            "netstat_exporter_malformed_rows_total": {(name,): self._malformed[name] for name in names},
            "netstat_exporter_repeated_rows_total": {(name,): self._repeated[name] for name in names},
            "netstat_exporter_sockstat_difference": differences,
            "netstat_exporter_collector_success": {(each.collector,): not each.error for each in collectors},
            "netstat_exporter_collector_duration_seconds": {
                (each.collector,): each.duration_seconds for each in collectors
            },
            "netstat_exporter_passes_total": {(result,): n for result, n in self._passes.items()},
        }

    def _log_source(self, table: str, reading: Reading, rows: int) -> None:
        if reading.fallback_reason:
            self.log_change(other_source(reading.source), table, reading.fallback_reason)
        else:
            self.log_change(reading.source, table, None)
        old = self._sources.get(table, reading.source)
        if reading.source != old:
            log.debug("table source changed", table=table, old=old, new=reading.source, rows=rows)
        self._sources[table] = reading.source

    def _time_failure(self, kind: str, name: str, error: str) -> float | None:
        """Return for how long something has failed, None if it did not."""
        if not error:
            self._failing.pop((kind, name), None)
            return None
        now = time.monotonic()
        return now - self._failing.setdefault((kind, name), now)

    def log_change(self, kind: str, name: str, error: Exception | None) -> str:
        """Log when a table, collector or source begins to fail or recovers; return the text of the error."""
        message = "" if error is None else str(error) or repr(error)
        if message == self._errors.get((kind, name), ""):
            return message
        self._errors[kind, name] = message
        failed, recovered = _CHANGES[kind]
        about = {"collector" if kind == "collector" else "table": name}
        if error is None:
            log.info(recovered, **about)
        elif kind in SOURCES:
            log.warning(failed, error=message, **about)
        else:
            is_of_kernel = isinstance(error, (*READ_ERRORS, PartialError))
            log.error(failed, error=message, exc_info=None if is_of_kernel else error, **about)
        return message


def measure_pass(snapshot: Snapshot) -> dict[str, Samples]:
    """Return the samples about the pass itself."""
    return {
        "netstat_exporter_pass_duration_seconds": {(): snapshot.duration_seconds},
        "netstat_exporter_pass_cpu_seconds": {(): snapshot.cpu_seconds},
        "netstat_exporter_pass_interval_seconds": {(): snapshot.interval_seconds},
        "netstat_exporter_last_pass_timestamp_seconds": {(): snapshot.taken_at_seconds},
    }
