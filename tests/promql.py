"""Read metrics and labels off PromQL, as far as our own rules and documents need; promtool knows the grammar.

``CONTRACT`` has every metric that an expression may name, with its labels.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from exporter.serving.metrics import FAMILIES, OWN_FAMILIES

_OF_PROMETHEUS: Final = {
    "up": (),
    "process_max_fds": (),
    "process_open_fds": (),
}
TARGET_LABELS: Final = {"job", "instance"}
CONTRACT: Final[dict[str, tuple[str, ...]]] = (
    _OF_PROMETHEUS
    | {family.name: family.labels for family in FAMILIES}
    | {family.name: family.labels for family in OWN_FAMILIES}
)

_STRING = re.compile(r'"[^"]*"')
_COMMENT = re.compile(r"#.*")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"(?<![\w:.])([a-z_:][\w:]*)\b(?!\s*\()(?:\{([^}]*)\})?")
_KEYWORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "group_left", "group_right"}


class Selector(NamedTuple):
    """A metric that an expression reads, and the labels it is chosen by."""

    metric: str
    labels: frozenset[str]


def find_selectors(expression: str) -> Iterator[Selector]:
    """Yield every metric in an expression, with the labels of its matchers."""
    bare = _GROUPING.sub("", _COMMENT.sub("", _STRING.sub('""', expression)))
    for metric, matchers in _SELECTOR.findall(bare):
        if metric not in _KEYWORDS:
            yield Selector(metric, frozenset(re.findall(r"\w+(?=\s*[=!]~?)", matchers)))


def find_grouping_labels(expression: str) -> set[str]:
    """Return the labels that an expression aggregates or matches by."""
    return {label for labels in _GROUPING.findall(expression) for label in re.findall(r"\w+", labels)}


def find_strangers(expression: str, known: dict[str, tuple[str, ...]]) -> set[str]:
    """Return what an expression names in vain: unknown metrics, and labels that its metrics do not have."""
    selectors = list(find_selectors(expression))
    strangers = {metric for metric, _ in selectors if metric not in known}
    allowed = set(TARGET_LABELS)
    for metric, labels in selectors:
        allowed |= set(known.get(metric, ()))
        strangers |= {f"{metric}.{label}" for label in labels - TARGET_LABELS - set(known.get(metric, ()))}
    return strangers | (find_grouping_labels(expression) - allowed)
