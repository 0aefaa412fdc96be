"""Build the status of a host from a snapshot and its history."""

from collections.abc import Iterator, Sequence
from typing import Final

from exporter.sampling.snapshot import Snapshot
from exporter.status.condition import Links
from exporter.status.context import Context
from exporter.status.facts import Facts, R, Row, worst
from exporter.status.health import (
    describe_exporter,
    find_own_problems,
    list_collectors,
    list_settings,
    list_tables,
)
from exporter.status.history import Trends
from exporter.status.leaks import find_leaks
from exporter.status.links import DOCUMENTATION, RUNBOOKS
from exporter.status.losses import find_losses
from exporter.status.model import SCHEMA_VERSION, Problem, Status
from exporter.status.resources import find_resources
from exporter.status.services import describe_other, find_namespaces, find_services
from exporter.status.severity import rank
from exporter.status.silences import find_silences

MOST_ROWS: Final = 500
"""The longest of the lists; there are as many services as have series."""
ROWS_WITH_HISTORY: Final = 50
"""Of each list."""


def build_status(snapshot: Snapshot, trends: Trends, context: Context) -> Status:
    """Return the status at a snapshot; ``trends`` lead to it."""
    facts = Facts(snapshot, trends, context.settings)
    leaks = find_leaks(facts)
    resources = find_resources(facts)
    losses = find_losses(facts)
    silences = find_silences(facts)
    services = find_services(facts)
    problems = [
        *_problems(leaks),
        *_problems(resources),
        *_problems(losses),
        *_problems(silences),
        *_problems(services),
        *find_own_problems(facts, context),
    ]
    problems.sort(key=lambda each: -rank(each.severity))  # and as above within
    namespaces = find_namespaces(facts, problems)
    started_at = snapshot.taken_at_seconds - snapshot.taken_at_monotonic
    return Status(
        schema_version=SCHEMA_VERSION,
        host=context.host,
        taken_at_seconds=snapshot.taken_at_seconds,
        severity=worst(problems),
        sockets=sum(facts.sockets.values()),
        problems=tuple(problems[:MOST_ROWS]),
        leaks=_first(facts, leaks),
        leaks_total=len(leaks),
        resources=_first(facts, resources),
        resources_total=len(resources),
        losses=_first(facts, losses),
        losses_total=len(losses),
        silences=_first(facts, silences),
        silences_total=len(silences),
        services=_first(facts, services),
        services_total=len(services),
        namespaces=_first(facts, namespaces),
        namespaces_total=len(namespaces),
        other=describe_other(facts),
        tables=list_tables(facts),
        collectors=list_collectors(facts),
        exporter=describe_exporter(facts, context),
        configuration=list_settings(context.settings),
        links=Links(metrics=context.metrics_path, documentation=DOCUMENTATION, runbooks=RUNBOOKS),
        history_at_seconds=tuple(round(started_at + at, 3) for at in trends.times),
    )


def _problems(rows: Sequence[Row[R]]) -> Iterator[Problem]:
    return (problem for row in rows for problem in row.problems)


def _first(facts: Facts, rows: Sequence[Row[R]]) -> tuple[R, ...]:
    """Return the first rows, and more about the very first."""
    return tuple(
        row.make(history=facts.trends.history(row.key, row.now)) if place < ROWS_WITH_HISTORY else row.make()
        for place, row in enumerate(rows[:MOST_ROWS])
    )
