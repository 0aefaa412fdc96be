"""The rules are valid, name what exists, are tested in every respect, and keep what tells targets apart."""

import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NotRequired, TypedDict

import promql_parser
import pytest
import yaml

from prometheus.generate import KUBERNETES, RUNBOOKS, SOURCES, place_runbooks, render_kubernetes
from tests.support import requirements
from tests.support.daemon import ROOT
from tests.support.promql import (
    CONTRACT,
    KNOWN,
    RECORDED,
    Series,
    find_fixed_labels,
    find_offsets,
    find_selectors,
    find_strangers,
    find_windows,
    parse_series,
)

FOLDER = ROOT / "prometheus"
TEST_FILES = sorted(FOLDER.glob("tests/**/*.yml"))
HOSTS = sorted(FOLDER.glob("tests/hosts/*.yml"))
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
QUIET = {"expr": 'count_over_time(ALERTS{alertstate="firing"}[4h])', "eval_time": "4h", "exp_samples": []}
"""What a normal host must fulfil: at no moment of four hours does any alert fire."""


class Rule(TypedDict):
    """An alert or a recording rule."""

    expr: str
    alert: NotRequired[str]
    record: NotRequired[str]
    labels: NotRequired[dict[str, str]]
    annotations: NotRequired[dict[str, str]]


class Expected(TypedDict):
    """An alert that fires at one moment of a test."""

    exp_labels: dict[str, str]


class Moment(TypedDict):
    """What an alert must be at one moment."""

    eval_time: str
    alertname: str
    exp_alerts: list[Expected]


class Input(TypedDict):
    """What a target exposes."""

    series: str
    values: str


class Case(TypedDict):
    """One test of promtool."""

    name: str
    interval: str
    input_series: list[Input]
    alert_rule_test: NotRequired[list[Moment]]
    promql_expr_test: NotRequired[list[dict[str, object]]]


def read_rules() -> list[Rule]:
    """Return the rules of both files."""
    return [
        rule
        for source in SOURCES
        for group in yaml.safe_load(source.read_text())["groups"]
        for rule in group["rules"]
    ]


def read_cases(path: Path) -> list[Case]:
    """Return the cases in one file."""
    cases: list[Case] = yaml.safe_load(path.read_text())["tests"]
    return cases


RULES = read_rules()
CASES = [case for path in TEST_FILES for case in read_cases(path)]
ALERTS = [rule for rule in RULES if "alert" in rule]
NAMES = sorted({alert["alert"] for alert in ALERTS})


def name_of(rule: Rule) -> str:
    return f"{rule['alert']}-{rule['labels']['severity']}" if "alert" in rule else rule["record"]


def run_promtool(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Return what promtool says."""
    promtool = requirements.require_command("promtool", "prometheus")
    return subprocess.run([promtool, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def assert_promtool_accepts(*arguments: str | Path) -> None:
    run = run_promtool(*arguments)
    assert run.returncode == 0, run.stdout + run.stderr


def test_promtool_accepts_the_rules() -> None:
    assert_promtool_accepts("check", "rules", "--lint=all", "--lint-fatal", *SOURCES)


def test_promtool_accepts_the_scrape_configuration() -> None:
    assert_promtool_accepts("check", "config", FOLDER / "scrape.example.yml")


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_rules_do_what_their_tests_say(path: Path) -> None:
    assert_promtool_accepts("test", "rules", path)


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
    tested = {str(query["expr"]) for case in CASES for query in case.get("promql_expr_test", [])}
    assert set(RECORDED) == tested - {QUIET["expr"]}


def find_inputs(expression: str, series: list[Series]) -> Iterator[bool]:
    """Tell of every metric that an expression rests on whether one of the series is selected."""
    for selector in find_selectors(expression):
        if selector.metric in RECORDED:
            yield from find_inputs(RECORDED[selector.metric], series)
        else:
            yield any(selector.selects(one) for one in series)


@pytest.mark.parametrize("path", HOSTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("alert", ALERTS, ids=name_of)
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


@pytest.mark.parametrize(
    ("expression", "strangers"),
    [
        ('sum by (instance, port) (rate(netstat_sockets{state="a{b}", job="c"}[5m] offset 1h)) > 0', set()),
        ("netstat_sockets unless on (instance) up == 0 or netstat_socks", {"netstat_socks"}),
        ('netstat_sockets{zone="a"} * on (port) group_left (rack) up', {"netstat_sockets.zone", "rack"}),
        ('abs(netstat_exporter_table_rows{port!~"tcp"}) # of no port', {"netstat_exporter_table_rows.port"}),
    ],
)
def test_strangers_are_found(expression: str, strangers: set[str]) -> None:
    assert strangers == find_strangers(expression, CONTRACT)


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_rule_names_metrics_and_labels_that_exist(rule: Rule) -> None:
    assert find_strangers(rule["expr"], KNOWN) == set()


@pytest.mark.parametrize(
    ("expression", "fixed"),
    [
        ("sum by (instance) (a) / on (job) b", {"instance", "job"}),
        ("sum without (family) (a) / ignoring (port) group_left () b", set()),
    ],
)
def test_fixed_labels_are_found(expression: str, fixed: set[str]) -> None:
    assert fixed == find_fixed_labels(expression)


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_rule_keeps_the_labels_of_targets(rule: Rule) -> None:
    """cluster, region and whatever else a fleet has."""
    assert find_fixed_labels(rule["expr"]) == set()


def parse_duration(text: object) -> timedelta:
    """Read a duration as Prometheus writes it; there is none for an alert that fires at once."""
    return timedelta(seconds=promql_parser.parse_duration(str(text or "0s")).total_seconds())


@pytest.mark.parametrize("alert", ALERTS, ids=name_of)
def test_windows_are_full_before_an_alert_fires(alert: Rule) -> None:
    """``for`` is as long as the longest window, or a value at least as old is asked for."""
    longest = max(find_windows(alert["expr"]), default=timedelta())
    waits = parse_duration(alert.get("for"))
    assert max([waits, *find_offsets(alert["expr"])]) >= longest


@pytest.mark.parametrize("alert", ALERTS, ids=name_of)
def test_alert_compares_nothing_over_labels_that_change(alert: Rule) -> None:
    """What has a port_name is looked at over time only when recorded without it, or aggregated at once."""
    aggregated = r"without \([^)]*port_name[^)]*\) \(\s*\w+_over_time\([^)]*\)"
    compared = re.sub(aggregated, "", alert["expr"])
    for metric in re.findall(r"(\w[\w:]*)(?:\{[^}]*\})?(?:\[\w+\]| offset)", compared):
        assert metric in RECORDED or "port_name" not in CONTRACT[metric]


@pytest.mark.parametrize("alert", ALERTS, ids=name_of)
def test_alert_says_what_to_do_where(alert: Rule) -> None:
    annotations = alert["annotations"]
    assert re.fullmatch(r"Netstat([A-Z][a-z]+)+", alert["alert"])
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert "for" in alert
    assert "{{" not in annotations["summary"]
    assert (
        "{{ $labels.instance }}{{ with $labels.cluster }} (cluster {{ . }}){{ end }}"
        in annotations["description"]
    )
    assert f"{RUNBOOKS}{alert['alert']}.md" == annotations["runbook_url"]


@pytest.mark.parametrize("alert", ALERTS, ids=name_of)
def test_alert_asks_only_its_own_target(alert: Rule) -> None:
    """Its queries have every label that tells targets apart; %q of a missing label matches its absence."""
    own = ["job", "instance", "cluster", "region"]
    for query, arguments in re.findall(
        r"printf `([^`]*)`\s+(.*?)\s*\|", alert["annotations"]["description"], re.DOTALL
    ):
        placed = re.findall(r"(\w+)(?:=|!=)%q", query)
        given = [argument.removeprefix("$labels.") for argument in arguments.split()]
        assert own == placed[:4]
        assert [name.replace("port_name", "port") for name in placed] == given
        assert find_strangers(query.replace("%q", '""'), CONTRACT) == set()


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_series_say_their_level_metric_and_operation(name: str) -> None:
    level, metric, operation = name.split(":")
    target, *labels = level.split("_")
    assert target in {"instance", "job"}
    assert set(labels) <= {"port", "state", "protocol", "owner"}
    assert metric in CONTRACT or f"{metric}_total" in CONTRACT
    assert operation in {"sum", "max", "min", "ratio", "ratio_max", "rate5m"}


def test_generated_files_are_those_of_the_rules() -> None:
    assert render_kubernetes() == KUBERNETES.read_text()
    for path in (*SOURCES, *TEST_FILES):
        assert place_runbooks(path.read_text()) == path.read_text()


def find_queries(document: Path) -> Iterator[str]:
    """Yield the queries in a document: PromQL, set apart by empty lines."""
    for block in re.findall(r"```promql\n(.*?)```", document.read_text(), re.DOTALL):
        yield from re.split(r"\n\s*\n", block.strip())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_queries_in_a_document_are_valid(document: Path, tmp_path: Path) -> None:
    queries = list(find_queries(document))
    for query in queries:
        assert find_strangers(query, KNOWN) == set()
    rules = [{"record": f"job:query{number}:none", "expr": query} for number, query in enumerate(queries)]
    if rules:
        path = tmp_path / "rules.yml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
        assert_promtool_accepts("check", "rules", path)
