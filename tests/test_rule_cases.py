"""Every alert fires, ends, and stays quiet on every kind of normal host, as promtool finds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from prometheus.generate import FOLDER
from tests.support.promql import RECORDED, Matcher, Series, find_selectors, parse_series
from tests.support.rules import (
    ALERTS,
    ALERTS_BY_DEFAULT,
    CASE_FILES,
    Case,
    Rule,
    assert_promtool_accepts,
    name_of,
    read_cases,
    run_promtool,
)

pytestmark = pytest.mark.long

CASES = [case for path in CASE_FILES for case in read_cases(path)]
HOSTS = sorted(FOLDER.glob("tests/hosts/*.yml"))
QUIET = {"expr": 'count_over_time(ALERTS{alertstate="firing"}[4h])', "eval_time": "4h", "exp_samples": []}
"""What a normal host must fulfil: at no moment of four hours does any alert fire."""


@pytest.mark.parametrize("path", CASE_FILES, ids=lambda path: path.stem)
def test_rules_do_what_their_tests_say(path: Path) -> None:
    assert_promtool_accepts("test", "rules", path)


OTHER_NAMESPACES = Matcher("netns", is_pattern=False, is_negated=True, value="")
"""What not every host has."""


def severities(case: Case, alert: str) -> list[set[str]]:
    """Return the severities that the alert has in this case, moment by moment."""
    moments = [moment for moment in case.get("alert_rule_test", []) if moment["alertname"] == alert]
    return [{fired["exp_labels"]["severity"] for fired in moment["exp_alerts"]} for moment in moments]


@pytest.mark.parametrize("alert", ALERTS, ids=name_of)
def test_alert_is_tested_firing_resolving_and_quiet(alert: Rule) -> None:
    severity = alert["labels"]["severity"]
    fires = [[severity in moment for moment in severities(case, alert["alert"])] for case in CASES]
    assert any(" ".join(map(str, case)).find("True False") >= 0 for case in fires), "never ends"
    assert any(case and not any(case) for case in fires), "fires in every case"


def test_recording_rules_are_tested() -> None:
    queries = [str(query["expr"]) for case in CASES for query in case.get("promql_expr_test", [])]
    tested = {
        selector.metric for query in queries if query != QUIET["expr"] for selector in find_selectors(query)
    }
    assert set(RECORDED) == tested


def find_inputs(expression: str, series: list[Series]) -> Iterator[bool]:
    """Tell of every metric that an expression rests on whether one of the series is selected."""
    for selector in find_selectors(expression):
        is_elsewhere = any(matcher == OTHER_NAMESPACES for matcher in selector.matchers)
        if is_elsewhere and not any(one.labels.get("netns") for one in series):
            continue
        if selector.metric in RECORDED:
            yield from find_inputs(RECORDED[selector.metric], series)
        else:
            yield any(selector.selects(one) for one in series)


@pytest.mark.parametrize("path", HOSTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("alert", ALERTS_BY_DEFAULT, ids=name_of)
def test_alert_is_evaluated_against_a_normal_host(alert: Rule, path: Path) -> None:
    """The host has all that the alert looks at, and promtool is asked for every alert at every moment."""
    (case,) = read_cases(path)
    series = [parse_series(one["series"]) for one in case["input_series"]]
    assert all(find_inputs(alert["expr"], series))
    assert "1m" == case["interval"]
    assert [QUIET] == case["promql_expr_test"]
    assert ["../../alerts.yml", "../../recording.yml"] == yaml.safe_load(path.read_text())["rule_files"]


@pytest.mark.parametrize("path", HOSTS, ids=lambda path: path.stem)
def test_a_normal_host_would_not_hide_an_alert(path: Path, tmp_path: Path) -> None:
    """A host is refused when any alert fires even for a minute."""
    rule = {"alert": "NetstatNoise", "expr": "vector(1) and vector(time()) == 7200"}
    noise = {"groups": [{"name": "noise", "rules": [rule]}]}
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(noise))
    (tmp_path / "recording.yml").write_text("groups: []")
    moved = path.read_text().replace("../../", "")
    (tmp_path / "host.yml").write_text(moved)
    run = run_promtool("test", "rules", tmp_path / "host.yml")
    assert run.returncode == 1
    assert "NetstatNoise" in run.stdout + run.stderr
