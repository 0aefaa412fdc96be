"""Keep the maximum of each count over a window, so that no server misses a burst between two scrapes."""

from collections import deque
from collections.abc import Mapping
from typing import ClassVar, Final

from exporter.config.settings import Settings
from exporter.sampling.collectors.collector import Collector, Pass
from exporter.sampling.labels import Metric, Samples, SocketKey
from exporter.sampling.services.series import states_of

_BUCKETS: Final = 12
"""The number of parts of the window: a peak is shown for the window, and at most a twelfth of it longer."""

Counts = dict[tuple[str, ...], float]


class Peaks(Collector):
    """Remembers the maximum of each series in each bucket of time, not every pass."""

    name = "peaks"
    metrics: ClassVar = (
        Metric(
            "netstat_sockets_peak",
            "Maximum of netstat_sockets over the passes of the last peaks.window; absent where it is 0.",
            SocketKey._fields,
        ),
    )
    spans_passes = True

    def __init__(self) -> None:
        self._wanted: tuple[object, ...] = ()
        self._buckets: deque[tuple[int, Counts]] = deque()
        self._earlier: Counts = {}

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.peaks.enabled

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the maximum of each series in the window."""
        wanted = seen.settings.peaks
        if self._wanted != (wanted.window_seconds, wanted.states):
            self._wanted = (wanted.window_seconds, wanted.states)
            self._buckets.clear()
            self._earlier = {}
        counts: Counts = {
            seen.series.key(table, service, state): tally[state]
            for table, folded in seen.folded()
            for service, tally in folded.tallies.items()
            for state in states_of(folded, service)
            if tally[state] and table.states.get(state) in wanted.states
        }
        newest = self._open_bucket(int(seen.now * _BUCKETS / wanted.window_seconds))
        _raise_to(newest, counts)
        peaks = dict(self._earlier)
        _raise_to(peaks, newest)
        shown = {(table.protocol, table.family) for table, _ in seen.folded()}
        return {"netstat_sockets_peak": {key: n for key, n in peaks.items() if key[:2] in shown}}

    def _open_bucket(self, number: int) -> Counts:
        """Return the current bucket; when it is a new one, forget those that have left the window."""
        if not self._buckets or self._buckets[-1][0] != number:
            while self._buckets and self._buckets[0][0] < number - _BUCKETS:
                self._buckets.popleft()
            self._earlier = {}
            for _, counts in self._buckets:
                _raise_to(self._earlier, counts)
            self._buckets.append((number, {}))
        return self._buckets[-1][1]


def _raise_to(highest: Counts, counts: Counts) -> None:
    for key, count in counts.items():
        if count > highest.get(key, 0):
            highest[key] = count
