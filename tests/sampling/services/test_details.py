"""A detail that is expensive is read less often than it is wanted."""

import pytest

from exporter.config.settings import Settings
from exporter.kernel.tables import Detail
from exporter.sampling.services.details import Priced, SpacedDetail

SETTINGS = Settings(cpu_budget=0.04)


@pytest.mark.parametrize(("cpu_seconds", "expected"), [(0.01, [20, 80, 140, 200, 260]), (2.0, [20, 220])])
def test_cost_spaces_what_is_wanted_once_a_minute(cpu_seconds: float, expected: list[int]) -> None:
    """A detail may take a quarter of the budget, here a hundredth of a core: 2 seconds in each 200."""
    detail = SpacedDetail[str](Detail.MEMORY)
    asked = []
    for now in range(0, 320, 20):
        detail.plan(SETTINGS, now)
        asked += [now] if detail.due else []
        detail.find(SETTINGS, 60.0, now, lambda: Priced("found", cpu_seconds))
    assert expected == asked
