"""The rules are valid, name what exists, are tested in every respect, and each alert has its runbook."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NotRequired, TypedDict

import pytest
import yaml

from prometheus.generate import KUBERNETES, RUNBOOKS, SOURCES, place_runbooks, render_kubernetes
from tests.support import requirements
from tests.support.daemon import ROOT
from tests.support.promql import CONTRACT, find_strangers

FOLDER = ROOT / "prometheus"
PAGES = ROOT / "docs" / "runbooks"
TEST_FILES = sorted(FOLDER.glob("tests/*.yml"))
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]


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


class Case(TypedDict):
    """One test of promtool."""

    name: str
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


def read_cases() -> list[Case]:
    """Return the cases that promtool tests."""
    return [case for path in TEST_FILES for case in yaml.safe_load(path.read_text())["tests"]]


RULES = read_rules()
CASES = read_cases()
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDED = {rule["record"]: rule for rule in RULES if "record" in rule}
NAMES = sorted({alert["alert"] for alert in ALERTS})


def run_promtool(*arguments: str | Path, cwd: Path = ROOT) -> None:
    """Pass when promtool does."""
    promtool = requirements.require_command("promtool", "prometheus")
    run = subprocess.run([promtool, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_promtool_accepts_the_rules() -> None:
    run_promtool("check", "rules", "--lint=all", "--lint-fatal", *SOURCES)


def test_promtool_accepts_the_scrape_configuration() -> None:
    run_promtool("check", "config", FOLDER / "scrape.example.yml")


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_rules_do_what_their_tests_say(path: Path) -> None:
    run_promtool("test", "rules", path)


def severities(case: Case, alert: str) -> list[set[str]]:
    """Return the severities that the alert has in this case, moment by moment."""
    moments = [moment for moment in case.get("alert_rule_test", []) if moment["alertname"] == alert]
    return [{fired["exp_labels"]["severity"] for fired in moment["exp_alerts"]} for moment in moments]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert['alert']}-{alert['labels']['severity']}")
def test_alert_is_tested_firing_resolving_and_quiet(alert: Rule) -> None:
    severity = alert["labels"]["severity"]
    fires = [[severity in moment for moment in severities(case, alert["alert"])] for case in CASES]
    assert any(" ".join(map(str, case)).find("True False") >= 0 for case in fires), "never ends"
    assert any(case and not any(case) for case in fires), "fires in every case"


def test_recording_rules_are_tested() -> None:
    tested = {str(query["expr"]) for case in CASES for query in case.get("promql_expr_test", [])}
    assert set(RECORDED) == tested


@pytest.mark.parametrize(
    ("expression", "strangers"),
    [
        ('sum by (instance, port) (rate(netstat_sockets{state="a{b}", job="c"}[5m] offset 1h)) > 0', set()),
        ("netstat_sockets unless on (instance) up == 0 or netstat_socks", {"netstat_socks"}),
        ('netstat_sockets{node="a"} * on (port) group_left (pod) up', {"netstat_sockets.node", "pod"}),
        ('abs(netstat_exporter_table_rows{port!~"tcp"}) # of no port', {"netstat_exporter_table_rows.port"}),
    ],
)
def test_strangers_are_found(expression: str, strangers: set[str]) -> None:
    assert strangers == find_strangers(expression, CONTRACT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_rule_names_metrics_and_labels_that_exist(rule: Rule) -> None:
    assert find_strangers(rule["expr"], CONTRACT) == set()


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_alert_says_what_to_do_where(alert: Rule) -> None:
    annotations = alert["annotations"]
    assert re.fullmatch(r"Netstat([A-Z][a-z]+)+", alert["alert"])
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert "for" in alert
    assert "{{" not in annotations["summary"]
    assert "{{ $labels.instance }}" in annotations["description"]
    assert f"{RUNBOOKS}{alert['alert']}.md" == annotations["runbook_url"]
    for query in re.findall(r"`([^`]*)`", annotations["description"]):
        assert find_strangers(query.replace("%q", '""'), CONTRACT) == set()


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_series_say_their_level_metric_and_operation(name: str) -> None:
    level, metric, _ = name.split(":")
    assert level in {"job", "job_port", "job_port_state", "job_owner_state"}
    assert metric in CONTRACT or f"{metric}_total" in CONTRACT


def test_generated_files_are_those_of_the_rules() -> None:
    assert render_kubernetes() == KUBERNETES.read_text()
    for path in (*SOURCES, *TEST_FILES):
        assert place_runbooks(path.read_text()) == path.read_text()


def test_every_runbook_is_of_an_alert() -> None:
    assert NAMES == sorted(path.stem for path in PAGES.glob("Netstat*.md"))


@pytest.mark.parametrize("name", NAMES)
def test_runbook_has_its_sections(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert SECTIONS == re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert all(part.strip() for part in re.split(r"^## .*$", text, flags=re.MULTILINE))


def find_queries(document: Path) -> Iterator[str]:
    """Yield the queries in a document: PromQL, set apart by empty lines."""
    for block in re.findall(r"```promql\n(.*?)```", document.read_text(), re.DOTALL):
        yield from re.split(r"\n\s*\n", block.strip())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_queries_in_a_document_are_valid(document: Path, tmp_path: Path) -> None:
    known = CONTRACT | dict.fromkeys(RECORDED, ("protocol", "state", "direction", "port", "owner"))
    queries = list(find_queries(document))
    for query in queries:
        assert find_strangers(query, known) == set()
    rules = [{"record": f"job:query{number}:none", "expr": query} for number, query in enumerate(queries)]
    if rules:
        path = tmp_path / "rules.yml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
        run_promtool("check", "rules", path)
