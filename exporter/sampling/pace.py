"""Choose the interval between passes, so that they keep the CPU budget."""

from collections.abc import Mapping

from exporter.config.settings import Settings


class Pace:
    """Knows what the last typical pass cost; ``interval_seconds`` is the interval in force."""

    def __init__(self, settings: Settings) -> None:
        self.interval_seconds = settings.interval_seconds
        self._affordable_seconds = 0.0
        self._sources: Mapping[str, str] = {}

    def update(self, settings: Settings, cpu_seconds: float, sources: Mapping[str, str]) -> float:
        """Return the interval after a pass that cost so much; ``sources`` are by table.

        The first pass, and one that read a table by another source than the last, are not typical: they leave
        the interval as it is.
        """
        if sources == self._sources:
            self._affordable_seconds = cpu_seconds / settings.cpu_budget
        self._sources = sources
        longest_seconds = min(self._affordable_seconds, settings.max_interval_seconds)
        self.interval_seconds = max(settings.interval_seconds, longest_seconds)
        return self.interval_seconds
