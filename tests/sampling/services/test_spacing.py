"""What is expensive is measured at intervals that keep it to a quarter of the CPU budget."""

from dataclasses import replace
from math import inf

import pytest

from exporter.config.settings import Settings
from exporter.sampling.services.spacing import Spacing

SETTINGS = Settings(cpu_budget=0.05)


def test_first_measurement_does_not_delay_the_first_pass() -> None:
    spacing = Spacing()
    assert [False, True, True] == [spacing.is_due(SETTINGS, now) for now in (100.0, 105.0, 110.0)]


def test_single_pass_measures() -> None:
    assert Spacing().is_due(replace(SETTINGS, cpu_budget=inf), 100.0)


@pytest.mark.parametrize(("cpu_seconds", "pause_seconds"), [(0.0, 60), (0.1, 60), (1.0, 80), (10.0, 800)])
def test_next_is_due_when_the_budget_allows(cpu_seconds: float, pause_seconds: float) -> None:
    spacing = Spacing()
    spacing.note(SETTINGS, 60.0, 100.0, cpu_seconds)
    assert not spacing.is_due(SETTINGS, 100.0 + pause_seconds - 1)
    assert spacing.is_due(SETTINGS, 100.0 + pause_seconds + 1)
