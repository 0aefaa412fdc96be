"""Read metrics and labels off PromQL.

``CONTRACT`` has every metric that an expression may name, with its labels.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import promql_parser

from exporter.sampling.sampler import METRICS
from exporter.serving.metrics import OWN_METRICS

_OF_PROMETHEUS: Final = {
    "up": (),
    "process_max_fds": (),
    "process_open_fds": (),
    "process_resident_memory_bytes": (),
}
TARGET_LABELS: Final = {"job", "instance"}
CONTRACT: Final[dict[str, tuple[str, ...]]] = _OF_PROMETHEUS | {
    metric.name: metric.labels for metric in (*METRICS, *OWN_METRICS)
}


class Selector(NamedTuple):
    """A metric that an expression reads, and the labels it is chosen by."""

    metric: str
    labels: frozenset[str]


def walk(expression: str) -> Iterator[promql_parser.Expr]:
    """Yield every part of an expression; raises ValueError when it is none."""
    parts: list[promql_parser.Expr] = []
    promql_parser.walk(promql_parser.parse(expression), parts.append)
    yield from parts


def find_selectors(expression: str) -> Iterator[Selector]:
    """Yield every metric in an expression, with the labels of its matchers."""
    for part in walk(expression):
        if isinstance(part, promql_parser.VectorSelector):
            yield Selector(part.name or "", frozenset(matcher.name for matcher in part.matchers.matchers))


def find_grouping_labels(expression: str) -> set[str]:
    """Return the labels that an expression aggregates or matches by."""
    labels: set[str] = set()
    for part in walk(expression):
        if isinstance(part, promql_parser.AggregateExpr) and part.modifier:
            labels.update(part.modifier.labels)
        if isinstance(part, promql_parser.BinaryExpr) and part.modifier:
            labels.update(part.modifier.matching.labels if part.modifier.matching else ())
            labels.update(part.modifier.group_labels or ())
    return labels


def find_strangers(expression: str, known: dict[str, tuple[str, ...]]) -> set[str]:
    """Return what an expression names in vain: unknown metrics, and labels that its metrics do not have."""
    selectors = list(find_selectors(expression))
    strangers = {metric for metric, _ in selectors if metric not in known}
    allowed = set(TARGET_LABELS)
    for metric, labels in selectors:
        allowed |= set(known.get(metric, ()))
        strangers |= {f"{metric}.{label}" for label in labels - TARGET_LABELS - set(known.get(metric, ()))}
    return strangers | (find_grouping_labels(expression) - allowed)
