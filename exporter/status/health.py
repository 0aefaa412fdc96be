"""Describe the exporter itself: its tables, its collectors, what it could not read, and its configuration."""

from collections.abc import Iterator

from exporter import __version__
from exporter.config.keys import list_values
from exporter.config.settings import Settings
from exporter.kernel.tables import TABLES
from exporter.status import thresholds
from exporter.status.condition import CollectorRow, Exporter, Setting, TableRow
from exporter.status.context import Context
from exporter.status.facts import At, Facts
from exporter.status.model import Problem
from exporter.status.quantities import say_count, say_duration
from exporter.status.severity import OK, WARNING

_UNREAD = ("unreadable", "over_limit")


def list_tables(facts: Facts) -> tuple[TableRow, ...]:
    """Return the tables as the last pass read them."""
    differences = facts.snapshot.samples.get("netstat_exporter_sockstat_difference", {})
    rows = []
    for each in facts.snapshot.tables:
        difference = differences.get((TABLES[each.table].protocol, TABLES[each.table].family))
        rows.append(
            TableRow(
                severity=WARNING if each.error else OK,
                table=each.table,
                source=each.source,
                rows=None if each.error else each.rows,
                difference=None if difference is None else int(difference),
                duration_seconds=each.duration_seconds,
                error=each.error,
                failing_seconds=each.failing_seconds,
            )
        )
    return tuple(rows)


def list_collectors(facts: Facts) -> tuple[CollectorRow, ...]:
    """Return the collectors as they went in the last pass."""
    return tuple(
        CollectorRow(
            severity=WARNING if each.error else OK,
            collector=each.collector,
            duration_seconds=each.duration_seconds,
            error=each.error,
            failing_seconds=each.failing_seconds,
        )
        for each in facts.snapshot.collectors
    )


def describe_exporter(facts: Facts, context: Context) -> Exporter:
    """Return the state of the exporter itself."""
    snapshot = facts.snapshot
    results = snapshot.samples.get("netstat_exporter_network_namespaces", {})
    unattributed = facts.get("netstat_exporter_owner_sockets_unattributed")
    untracked = facts.get("netstat_exporter_untracked_sockets")
    return Exporter(
        version=__version__,
        interval_seconds=snapshot.interval_seconds,
        duration_seconds=snapshot.duration_seconds,
        cpu_seconds=snapshot.cpu_seconds,
        series=sum(len(found) for _, samples in facts.spaces for found in samples.values()),
        config_file=context.config_file,
        is_reloaded=context.is_reloaded,
        log_lines_lost=context.log_lines_lost,
        unattributed=None if unattributed is None else int(unattributed),
        untracked=None if untracked is None else int(untracked),
        namespaces={result: int(number) for (result,), number in results.items()},
        oldest_reading_seconds=facts.get("netstat_exporter_network_namespace_oldest_reading_age_seconds"),
    )


def list_settings(settings: Settings) -> tuple[Setting, ...]:
    """Return the configuration in force, as it is written in YAML; it has no secrets."""
    defaults = dict(list_values(Settings()))
    return tuple(
        Setting(key=key, value=value, is_default=value == defaults[key])
        for key, value in list_values(settings)
    )


def find_own_problems(facts: Facts, context: Context) -> Iterator[Problem]:
    """Yield what is wrong with the exporter."""
    here = At()
    for table in facts.snapshot.tables:
        if table.error:
            since = _since(table.failing_seconds)
            text = f"The kernel's table {table.table} cannot be read{since}: {table.error}."
            yield facts.blame(thresholds.TABLE, here, text)
    for collector in facts.snapshot.collectors:
        if collector.error:
            since = _since(collector.failing_seconds)
            text = f"The collector {collector.collector} fails{since}: {collector.error}."
            yield facts.blame(thresholds.COLLECTOR, here, text)
    snapshot = facts.snapshot
    pace_seconds = snapshot.interval_seconds + snapshot.duration_seconds
    if thresholds.STALE.is_exceeded(context.age_seconds - thresholds.STALE_PASSES.value * pace_seconds):
        text = f"The newest snapshot is {say_duration(context.age_seconds)} old."
        yield facts.blame(thresholds.STALE, here, text)
    if thresholds.RELOAD.is_exceeded(float(context.is_reloaded)):
        text = "The configuration was wrong at the last reload; the one before is in force."
        yield facts.blame(thresholds.RELOAD, here, text)
    untracked = facts.get("netstat_exporter_untracked_sockets")
    if untracked is not None and thresholds.UNTRACKED.is_exceeded(untracked):
        text = f"{say_count(untracked)} sockets in a tracked state are not tracked: see tracked.limit."
        yield facts.blame(thresholds.UNTRACKED, here, text)
    yield from _find_unread(facts)


def _find_unread(facts: Facts) -> Iterator[Problem]:
    results = facts.snapshot.samples.get("netstat_exporter_network_namespaces", {})
    unread = sum(results.get((result,), 0) for result in _UNREAD)
    age = facts.get("netstat_exporter_network_namespace_oldest_reading_age_seconds")
    if thresholds.NAMESPACES_UNREAD.is_exceeded(unread):
        yield facts.blame(
            thresholds.NAMESPACES_UNREAD, At(), f"{say_count(unread)} other network namespaces are not read."
        )
    elif age is not None and thresholds.NAMESPACES_OLD.is_exceeded(age):
        text = f"A network namespace was last read {say_duration(age)} ago."
        yield facts.blame(thresholds.NAMESPACES_OLD, At(), text)


def _since(failing_seconds: float | None) -> str:
    return f" for {say_duration(failing_seconds)}" if failing_seconds else ""
