"""Read metrics and labels off PromQL.

``CONTRACT`` has every metric that an expression may name, with its labels.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final, NamedTuple

import promql_parser

from exporter.sampling.labels import NamespaceLabels
from exporter.sampling.sampler import METRICS
from exporter.serving.metrics import OWN_METRICS
from tests.support.rules import SOURCES, Rule, read_rules

_OF_PROMETHEUS: Final = {
    "up": (),
    "process_max_fds": (),
    "process_open_fds": (),
    "process_resident_memory_bytes": (),
    "process_start_time_seconds": (),
}
TARGET_LABELS: Final = {"job", "instance", "cluster", "region", "node", "namespace", "pod", "exported_owner"}
"""Labels that Prometheus attaches; a target may have more."""

CONTRACT: Final[dict[str, tuple[str, ...]]] = _OF_PROMETHEUS | {
    metric.name: metric.labels
    + (() if metric.name.startswith("netstat_exporter_") else NamespaceLabels._fields)
    for metric in (*METRICS, *OWN_METRICS)
}

RECORDED: Final[dict[str, str]] = {
    rule["record"]: rule["expr"] for rule in read_rules(*SOURCES) if "record" in rule
}
"""The expression of every recorded series."""

KNOWN: Final = CONTRACT | dict.fromkeys(
    RECORDED,
    ("protocol", "state", "direction", "port", "port_name", "owner", "resource", *NamespaceLabels._fields),
)
"""What dashboards, alerts and documents may name, with labels."""


class Series(NamedTuple):
    """A metric with labels."""

    metric: str
    labels: Mapping[str, str]


class Matcher(NamedTuple):
    """A condition on a label."""

    label: str
    is_pattern: bool
    is_negated: bool
    value: str

    def accepts(self, series: Series) -> bool:
        """Tell whether a series meets it; a label that it lacks is empty."""
        value = series.labels.get(self.label, "")
        found = bool(re.fullmatch(self.value, value)) if self.is_pattern else value == self.value
        return found != self.is_negated


class Selector(NamedTuple):
    """A metric that an expression reads, and what its series must meet."""

    metric: str
    matchers: tuple[Matcher, ...]

    @property
    def labels(self) -> frozenset[str]:
        """The labels it is chosen by."""
        return frozenset(matcher.label for matcher in self.matchers)

    def selects(self, series: Series) -> bool:
        """Tell whether a series is one of those it reads."""
        return series.metric == self.metric and all(matcher.accepts(series) for matcher in self.matchers)


_OPERATORS: Final = {
    "MatchOp.Equal": (False, False),
    "MatchOp.NotEqual": (False, True),
    "MatchOp.Re": (True, False),
    "MatchOp.NotRe": (True, True),
}
"""Whether an operator takes a pattern, and whether it negates."""


def walk(expression: str) -> Iterator[promql_parser.Expr]:
    """Yield every part of an expression; raises ValueError when it is none."""
    parts: list[promql_parser.Expr] = []
    promql_parser.walk(promql_parser.parse(expression), parts.append)
    yield from parts


def find_selectors(expression: str) -> Iterator[Selector]:
    """Yield every metric in an expression, with its matchers."""
    for part in walk(expression):
        if isinstance(part, promql_parser.VectorSelector):
            matchers = (
                Matcher(matcher.name, *_OPERATORS[str(matcher.op)], matcher.value)
                for matcher in part.matchers.matchers
            )
            yield Selector(part.name or "", tuple(matchers))


def parse_series(text: str) -> Series:
    """Return the series that a test of promtool writes as a selector; raises ValueError when it is none."""
    (selector,) = find_selectors(text)
    return Series(selector.metric, {matcher.label: matcher.value for matcher in selector.matchers})


def find_windows(expression: str) -> Iterator[timedelta]:
    """Yield how long something must have held: ranges, but for functions whose range need not be full."""
    for part in walk(expression):
        if isinstance(part, promql_parser.Call) and part.func.name not in {"max_over_time", "rate"}:
            for argument in part.args:
                if isinstance(argument, promql_parser.MatrixSelector):
                    yield argument.range


def find_offsets(expression: str) -> Iterator[timedelta]:
    """Yield how far an expression looks back for single values, not for ranges."""
    parts = list(walk(expression))
    ranged = {str(part.vector_selector) for part in parts if isinstance(part, promql_parser.MatrixSelector)}
    for part in parts:
        if isinstance(part, promql_parser.VectorSelector) and part.offset and str(part) not in ranged:
            yield part.offset


def has_full_windows(rule: Rule) -> bool:
    """Tell whether a rule waits as long as its longest window, or asks for a value at least as old."""
    longest = max(find_windows(rule["expr"]), default=timedelta())
    wait = promql_parser.parse_duration(rule["for"]) if "for" in rule else timedelta()
    return max([wait, *find_offsets(rule["expr"])]) >= longest


def find_fixed_labels(expression: str) -> set[str]:
    """Return the labels of ``by`` and ``on``, which lose every label that is not in their list."""
    labels: set[str] = set()
    for part in walk(expression):
        if isinstance(part, promql_parser.AggregateExpr) and part.modifier:
            if part.modifier.type == promql_parser.AggModifierType.By:
                labels.update(part.modifier.labels)
        elif isinstance(part, promql_parser.BinaryExpr) and part.modifier and part.modifier.matching:
            matching = part.modifier.matching
            if matching.type == promql_parser.LabelModifierType.Include:
                labels.update(matching.labels)
    return labels


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


def find_strangers(expression: str, known: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Return what an expression names in vain: unknown metrics, and labels that its metrics do not have."""
    selectors = list(find_selectors(expression))
    strangers = {selector.metric for selector in selectors if selector.metric not in known}
    allowed = set(TARGET_LABELS)
    for selector in selectors:
        own = TARGET_LABELS | set(known.get(selector.metric, ()))
        allowed |= own
        strangers |= {f"{selector.metric}.{label}" for label in selector.labels - own}
    return strangers | (find_grouping_labels(expression) - allowed)
