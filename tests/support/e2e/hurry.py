"""Make the shipped alerts hurry: every duration in them divided by the same number.

What they compare, their thresholds and labels stay as they are.
"""

import re
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.rules import FOLDER, OPTIONAL

ALERTS: Final = FOLDER / "alerts.yml"
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"\b(\d+)([smhd])\b")
_TIMED: Final = ("expr", "for", "keep_firing_for")
_SECONDS: Final = (r"\b[24] \* 3600\b", r"\b60(?= \+ 10 \*)")
"""Times that are bare numbers: how far ahead one predicts, and how much two clocks may differ."""


def hurry(text: str, divisor: int) -> str:
    """Return a duration, or an expression with all its durations, divided."""
    hurried = _DURATION.sub(lambda found: f"{int(found[1]) * _UNITS[found[2]] * 1000 // divisor}ms", text)
    for seconds in _SECONDS:
        hurried = re.sub(seconds, rf"\g<0> / {divisor}", hurried)
    return hurried


def write_hurried_alerts(folder: Path, divisor: int) -> Path:
    """Write the shipped alerts, made to hurry, into a folder, and return the file."""
    groups = _read_groups()
    for rule in (rule for group in groups for rule in group["rules"]):
        rule.update({key: hurry(rule[key], divisor) for key in _TIMED if key in rule})
    path = folder / "alerts.yml"
    path.write_text(yaml.safe_dump({"groups": groups}))
    return path


def read_alerts() -> set[tuple[str, str]]:
    """Return the name and the severity of every shipped alert."""
    rules = [rule for group in _read_groups() for rule in group["rules"] if "alert" in rule]
    return {(rule["alert"], rule["labels"]["severity"]) for rule in rules}


def _read_groups() -> list[dict[str, Any]]:
    """Return the groups of the alerts, also of those that are off by default."""
    return [group for path in (ALERTS, OPTIONAL) for group in yaml.safe_load(path.read_text())["groups"]]
