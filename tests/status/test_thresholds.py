"""The thresholds are those of the alerts."""

from collections.abc import Iterator
from math import isclose

import promql_parser
import pytest

from exporter.status import thresholds
from exporter.status.thresholds import Share, Threshold
from tests.support.promql import RECORDED, find_selectors, walk
from tests.support.rules import ALERTS_BY_DEFAULT

NOT_JUDGED = {
    "NetstatCloseWaitGrowing": "compares with an hour ago",
    "NetstatIdleConnectionsGrowing": "compares with an hour ago",
    "NetstatListenerGone": "compares with an hour ago",
    "NetstatCountsInexact": "a single difference means nothing",
    "NetstatExporterDown": "nobody can ask then",
}
_OPERATIONS = {"+": float.__add__, "-": float.__sub__, "*": float.__mul__, "/": float.__truediv__}


def find_all(kind: type[Threshold] | type[Share]) -> Iterator[Threshold | Share]:
    """Yield what the module has of a kind."""
    for value in vars(thresholds).values():
        if isinstance(value, dict):
            found = list(value.values())
        elif isinstance(value, tuple) and not isinstance(value, (Threshold, Share)):
            found = list(value)
        else:
            found = [value]
        yield from (each for each in found if isinstance(each, kind))


def compute(part: promql_parser.Expr) -> float | None:
    """Return the value of an expression that is a number."""
    if isinstance(part, promql_parser.ParenExpr):
        return compute(part.expr)
    if isinstance(part, promql_parser.NumberLiteral):
        return float(part.val)
    if isinstance(part, promql_parser.BinaryExpr) and str(part.op) in _OPERATIONS:
        left, right = compute(part.lhs), compute(part.rhs)
        if left is not None and right is not None:
            return _OPERATIONS[str(part.op)](left, right)
    return None


def find_numbers(expression: str) -> Iterator[float]:
    """Yield every number in an expression, and in the records that it names."""
    for part in walk(expression):
        value = compute(part)
        if value is not None:
            yield value
    for selector in find_selectors(expression):
        yield from find_numbers(RECORDED.get(selector.metric, "1"))


def compares(expression: str, threshold: Threshold) -> bool:
    """Tell whether an expression compares the series of a threshold with its value."""
    for part in walk(expression):
        if isinstance(part, promql_parser.BinaryExpr) and str(part.op).split()[0] == threshold.operator:
            series = {selector.metric for selector in find_selectors(part.lhs.prettify())}
            numbers = {value for each in walk(part.rhs.prettify()) if (value := compute(each)) is not None}
            if threshold.series in series and any(isclose(threshold.value, number) for number in numbers):
                return True
    return False


@pytest.mark.parametrize("threshold", [*find_all(Threshold)], ids=lambda each: f"{each.alert} {each.value}")
def test_a_threshold_is_that_of_its_alert(threshold: Threshold) -> None:
    rules = [
        rule["expr"]
        for rule in ALERTS_BY_DEFAULT
        if (rule["alert"], rule["labels"]["severity"]) == (threshold.alert, threshold.severity)
    ]
    assert any(compares(expression, threshold) for expression in rules)


@pytest.mark.parametrize("share", [*find_all(Share)], ids=lambda each: f"{each.alert} {each.value}")
def test_another_number_is_in_its_alert(share: Share) -> None:
    numbers = [
        number
        for rule in ALERTS_BY_DEFAULT
        if rule["alert"] == share.alert
        for number in find_numbers(rule["expr"])
    ]
    assert any(isclose(share.value, each) or isclose(share.value, 1 / (each or 1)) for each in numbers)


def test_every_alert_is_judged_or_left_out_for_a_reason() -> None:
    judged = {each.alert for each in find_all(Threshold)}
    assert judged | NOT_JUDGED.keys() == {rule["alert"] for rule in ALERTS_BY_DEFAULT}
    assert judged.isdisjoint(NOT_JUDGED)
