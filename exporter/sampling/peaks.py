"""Keep the highest counts of the last while, so that a burst between two scrapes is seen, by every server."""

from collections import deque
from typing import Final

from exporter.sampling.capability import Measures, Pass

_BUCKETS: Final = 12
"""Into how many the window is cut: a peak is shown for the window, and at most a twelfth of it longer."""

Counts = dict[tuple[str, ...], float]


class Peaks:
    """Remembers a highest count for each bucket of time and each series that had one, never for each pass."""

    def __init__(self) -> None:
        self._window_seconds = 0.0
        self._states: tuple[str, ...] = ()
        self._buckets: deque[tuple[int, Counts]] = deque()
        self._earlier: Counts = {}

    def measure(self, seen: Pass) -> Measures:
        """Return the highest count of any pass in the window, series by series."""
        wanted = (seen.settings.peak_window_seconds, seen.settings.peak_states)
        if wanted != (self._window_seconds, self._states):
            self._window_seconds, self._states = wanted
            self._buckets.clear()
            self._earlier = {}
        if not self._states:
            return {}
        peaks: Counts = {key: n for key, n in seen.series.sockets.items() if key.state in self._states}
        newest = self._open_bucket(int(seen.now * _BUCKETS / self._window_seconds))
        _raise_to(newest, peaks)
        _raise_to(peaks, self._earlier)
        _raise_to(peaks, newest)
        return {"sockets_peak": peaks}

    def _open_bucket(self, number: int) -> Counts:
        """Return the bucket of now; when it is a new one, forget those that have gone out of the window."""
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
