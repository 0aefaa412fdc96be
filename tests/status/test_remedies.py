"""What to do first is said of every threshold, and in the runbook's words."""

import re

import pytest

from exporter.status import thresholds
from exporter.status.remedies import REMEDIES
from exporter.status.thresholds import Threshold
from tests.support.daemon import ROOT

FOLDER = ROOT / "docs" / "runbooks"
NAMED = re.compile(
    r"net\.\w+\.\w+|[\w-]+=\S*\w|\bprlimit\b|\b\w+\.\w+_\w+|--[\w.-]+\w|\bhidepid\b|\bcpu_budget\b"
)


def read_runbook(alert: str) -> str:
    """Return a runbook with those that it leads to."""
    text = (FOLDER / f"{alert}.md").read_text()
    return "".join([text, *((FOLDER / name).read_text() for name in re.findall(r"\]\((\w+\.md)\)", text))])


def test_every_alert_with_a_threshold_has_one() -> None:
    found = [
        each
        for value in vars(thresholds).values()
        for each in (value.values() if isinstance(value, dict) else [value])
    ]
    flat = [one for each in found for one in (each if type(each) is tuple else [each])]
    assert REMEDIES.keys() == {each.alert for each in flat if isinstance(each, Threshold)}


@pytest.mark.parametrize("alert", REMEDIES)
def test_what_it_names_is_in_the_runbook(alert: str) -> None:
    runbook = read_runbook(alert).replace("`", "")
    assert [name for name in NAMED.findall(REMEDIES[alert]) if name not in runbook] == []
