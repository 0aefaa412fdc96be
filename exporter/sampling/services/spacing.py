"""Space what is too expensive for every pass."""

import math
from typing import Final

from exporter.config.settings import Settings

_SHARE_OF_BUDGET: Final = 0.25


def find_pause(settings: Settings, cpu_seconds: float) -> float:
    """Return the seconds between two measurements of a cost for them to take a quarter of the CPU budget."""
    return cpu_seconds / (settings.cpu_budget * _SHARE_OF_BUDGET)


class Spacing:
    """Spaces measurements so that they take at most a quarter of the CPU budget.

    The first is in the second pass, so that it does not delay the first snapshot. Times are on the monotonic
    clock.
    """

    def __init__(self) -> None:
        self._due: float | None = None

    def is_due(self, settings: Settings, now: float) -> bool:
        """Return whether to measure in this pass."""
        if self._due is None:
            self._due = now
            return math.isinf(settings.cpu_budget)  # then there is no second pass
        return now >= self._due

    def note(self, settings: Settings, every_seconds: float, now: float, cpu_seconds: float) -> None:
        """Remember what a measurement cost; the next is due after ``every_seconds``, or later."""
        self._due = now + max(every_seconds, find_pause(settings, cpu_seconds))
