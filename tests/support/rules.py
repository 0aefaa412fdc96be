"""Read the shipped rules and the cases in which promtool tests them."""

import os
import subprocess
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import yaml

from prometheus.generate import FOLDER, OPTIONAL, SOURCES
from tests.support import requirements
from tests.support.daemon import ROOT

Waiting = TypedDict("Waiting", {"for": NotRequired[str]})
"""How long an alert waits; the name is a keyword of Python."""


class Rule(Waiting):
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


def read_rules(*sources: Path) -> list[Rule]:
    """Return the rules of some files."""
    return [rule for source in sources for group in read_yaml(source)["groups"] for rule in group["rules"]]


def read_cases(path: Path) -> list[Case]:
    """Return the cases in one file."""
    cases: list[Case] = read_yaml(path)["tests"]
    return cases


def read_yaml(path: Path) -> Any:  # noqa: ANN401 - the caller knows what is in the file
    """Return what is in a file, by libyaml where that is, as every worker reads all cases."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(), loader)  # noqa: S506 - either is safe


RULES = read_rules(*SOURCES, OPTIONAL)
ALERTS = [rule for rule in RULES if "alert" in rule]
ALERTS_BY_DEFAULT = [rule for rule in read_rules(*SOURCES) if "alert" in rule]
CASE_FILES = sorted(FOLDER.glob("tests/**/*.yml"))


def name_of(rule: Rule) -> str:
    """Return what tells a rule from others."""
    return f"{rule['alert']}-{rule['labels']['severity']}" if "alert" in rule else rule["record"]


def run_promtool(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Return what promtool says."""
    promtool = requirements.require_command("promtool", "prometheus")
    return subprocess.run(
        [promtool, *arguments],
        cwd=cwd,
        env={**os.environ, "GOGC": "400"},  # a quarter of its time would go into saving memory
        capture_output=True,
        text=True,
        check=False,
    )


def assert_promtool_accepts(*arguments: str | Path) -> None:
    """Pass when promtool does."""
    run = run_promtool(*arguments)
    assert run.returncode == 0, run.stdout + run.stderr
