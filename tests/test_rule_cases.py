"""Every alert fires, ends, and stays quiet on every kind of normal host, as promtool finds."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.promql import RECORDED, Matcher, Series, find_selectors, parse_series
from tests.support.rules import (
    ALERTS,
    ALERTS_BY_DEFAULT,
    CASE_FILES,
    FOLDER,
    SOURCES,
    Case,
    Group,
    Rule,
    assert_promtool_accepts,
    choose_rules,
    name_of,
    read_cases,
    read_groups,
    read_rules_of_cases,
    read_yaml,
    run_promtool,
    write_test,
)

pytestmark = pytest.mark.long

CASES = [case for path in CASE_FILES for case in read_cases(path)]
HOSTS = sorted(FOLDER.glob("tests/hosts/*.yml"))
QUIET = {"expr": 'count_over_time(ALERTS{alertstate="firing"}[4h])', "eval_time": "4h", "exp_samples": []}
"""What a normal host must fulfil: at no moment of four hours does any alert fire."""


EVENTS = [path for path in CASE_FILES if path not in HOSTS]


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_rules_do_what_their_tests_say(path: Path, tmp_path: Path) -> None:
    """Without the rules that no case of the file looks at: all of them take twice the time."""
    rules = choose_rules(read_rules_of_cases(path), read_cases(path))
    assert_promtool_accepts("test", "rules", write_test(tmp_path, rules, path.read_text()))


def join_hosts() -> str:
    """Return all normal hosts as one case: one evaluation of a rule serves all, as their instances differ."""
    cases = [case for path in HOSTS for case in read_cases(path)]
    joined = {**cases[0], "input_series": [series for case in cases for series in case["input_series"]]}
    return yaml.safe_dump({"rule_files": [], "tests": [joined]})


def test_no_alert_fires_on_normal_hosts(tmp_path: Path) -> None:
    """What promtool finds instead has the label instance of the host."""
    assert_promtool_accepts("test", "rules", write_test(tmp_path, read_groups(*SOURCES), join_hosts()))


def find_instances(text: str) -> set[tuple[str, ...]]:
    """Return instance and cluster of each series in a text."""
    series = [parse_series(found) for found in re.findall(r"\w*\{.*?\}", text)]
    return {(one.labels["instance"], one.labels["cluster"]) for one in series}


def test_normal_hosts_would_not_hide_an_alert(tmp_path: Path) -> None:
    """Each host is refused when any alert fires even for a minute."""
    noise: Rule = {"alert": "NetstatNoise", "expr": "up and on () vector(time()) == 7200"}
    rules = [Group(name="noise", rules=[noise])]
    run = run_promtool("test", "rules", write_test(tmp_path, rules, join_hosts()))
    assert run.returncode == 1
    fired = re.findall(r"\{alertname=.*?\}", run.stdout + run.stderr)
    asked = [one["series"] for path in HOSTS for case in read_cases(path) for one in case["input_series"]]
    assert find_instances(" ".join(asked)) == find_instances(" ".join(fired))


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
    assert set(RECORDED) == tested - {"ALERTS"}


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
    assert ["../../alerts.yml", "../../recording.yml"] == read_yaml(path)["rule_files"]
