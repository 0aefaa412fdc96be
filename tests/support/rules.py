"""Read the shipped rules and the cases in which promtool tests them."""

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NotRequired, TypedDict

import yaml

from tests.support import requirements
from tests.support.daemon import ROOT

FOLDER: Final = ROOT / "prometheus"
SOURCES: Final = (FOLDER / "alerts.yml", FOLDER / "recording.yml")
OPTIONAL: Final = FOLDER / "optional.yml"
"""Alerts that are off by default: they are in no other file."""

Waiting = TypedDict("Waiting", {"for": NotRequired[str]})
"""How long an alert waits; the name is a keyword of Python."""


class Rule(Waiting):
    """An alert or a recording rule."""

    expr: str
    alert: NotRequired[str]
    record: NotRequired[str]
    labels: NotRequired[dict[str, str]]
    annotations: NotRequired[dict[str, str]]


class Group(TypedDict):
    """Rules that are evaluated one after the other."""

    name: str
    rules: list[Rule]


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


def read_groups(*sources: Path) -> list[Group]:
    """Return the groups of some files."""
    return [group for source in sources for group in read_yaml(source)["groups"]]


def read_rules(*sources: Path) -> list[Rule]:
    """Return the rules of some files."""
    return [rule for group in read_groups(*sources) for rule in group["rules"]]


def read_cases(path: Path) -> list[Case]:
    """Return the cases in one file."""
    cases: list[Case] = read_yaml(path)["tests"]
    return cases


def read_rules_of_cases(path: Path) -> list[Group]:
    """Return the groups that are loaded for the cases in one file."""
    return read_groups(*(path.parent / name for name in read_yaml(path)["rule_files"]))


@cache
def read_yaml(path: Path) -> Any:  # noqa: ANN401 - the caller knows what is in the file
    """Return what is in a file, by libyaml where that is; every value is text, as 0x10 is no number."""
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    return yaml.load(path.read_text(), loader)  # noqa: S506 - it makes only text, lists and mappings


RULES = read_rules(*SOURCES, OPTIONAL)
ALERTS = [rule for rule in RULES if "alert" in rule]
ALERTS_BY_DEFAULT = [rule for rule in read_rules(*SOURCES) if "alert" in rule]
CASE_FILES = sorted(FOLDER.glob("tests/**/*.yml"))


def name_of(rule: Rule) -> str:
    """Return what tells a rule from others."""
    return f"{rule['alert']}-{rule['labels']['severity']}" if "alert" in rule else rule["record"]


def choose_rules(groups: Iterable[Group], cases: Iterable[Case]) -> list[Group]:
    """Return the rules that cases look at, and those whose series these read."""
    groups, sought = list(groups), [case_text(case) for case in cases]
    chosen: list[Rule] = []
    rules = [rule for group in groups for rule in group["rules"]]
    while sought:
        text = sought.pop()
        found = [rule for rule in rules if title_of(rule) in text and rule not in chosen]
        chosen += found
        sought += [str(rule) for rule in found]
    kept = [
        Group(name=group["name"], rules=[rule for rule in group["rules"] if rule in chosen])
        for group in groups
    ]
    return [group for group in kept if group["rules"]]


def case_text(case: Case) -> str:
    """Return what a case asks for, without what the targets expose."""
    return str([case.get("alert_rule_test"), case.get("promql_expr_test")])


def title_of(rule: Rule) -> str:
    """Return what an alert or a recorded series is called."""
    return rule["alert"] if "alert" in rule else rule["record"]


def write_test(folder: Path, groups: Sequence[Group], cases: str) -> Path:
    """Write a file in which promtool tests rules by cases instead of those that these load, and return it."""
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}, sort_keys=False))
    path = folder / "test.yml"
    path.write_text(re.sub(r"^rule_files: .*$", "rule_files: [rules.yml]", cases, flags=re.MULTILINE))
    return path


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
