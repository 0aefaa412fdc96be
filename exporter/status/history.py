"""Remember some numbers of earlier snapshots, at most ``POINTS`` of each series, for growth and small graphs.

At first every snapshot is a point. When there are too many, every other one is dropped, and from then on
points lie twice as far apart, up to ``LONGEST_STEP_SECONDS``. So there is a graph after some passes, and
after an hour one of the hour, for a few hundred bytes a series.
"""

import threading
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan, nan
from typing import Final, NamedTuple

from exporter.sampling.sampler import METRICS
from exporter.sampling.snapshot import Snapshot

POINTS: Final = 30
LONGEST_STEP_SECONDS: Final = 120.0
MOST_SERIES: Final = 2000
"""What one host shows; more are not remembered, so that no user can fill the memory."""

_LEAST_SECONDS: Final = 30.0
_LEAST_POINTS: Final = 4
_SLACK: Final = 0.9  # a pass comes a little early, too


class Key(NamedTuple):
    """What a series is about: a metric, a network namespace, and the labels of the metric that are kept."""

    metric: str
    netns: str
    labels: tuple[str, ...] = ()


class _Kept(NamedTuple):
    """The labels by which the samples of a metric are kept, and what joins the others."""

    metric: str
    labels: tuple[str, ...] = ()
    join: Callable[[float, float], float] = float.__add__


_SERVICE: Final = ("protocol", "direction", "port")
KEPT: Final = (
    _Kept("netstat_sockets", _SERVICE),
    _Kept("netstat_stuck_sockets", ("protocol", "state", "direction", "port")),
    _Kept("netstat_owner_open_files", ("owner",)),
    _Kept("netstat_unanswered_sockets", _SERVICE),
    _Kept("netstat_accept_queue_length", ("protocol", "port")),
    _Kept("netstat_ephemeral_ports_busiest_destination", ("protocol", "port"), max),
    _Kept("netstat_ephemeral_ports_bound", ("protocol",)),
    _Kept("netstat_time_wait_buckets"),
    _Kept("netstat_orphaned_sockets"),
    _Kept("netstat_tcp_memory_bytes"),
    _Kept("netstat_time_wait_overflows_total"),
    _Kept("netstat_memory_aborts_total"),
    _Kept("netstat_listen_overflows_total"),
    _Kept("netstat_syn_queue_drops_total"),
    _Kept("netstat_syn_cookies_sent_total"),
    _Kept("netstat_listener_drops_total", ("protocol", "port")),
    _Kept("netstat_udp_drops_total", ("protocol", "port")),
)
"""What is remembered, the most important first."""

_LABELS: Final = {metric.name: metric.labels for metric in METRICS}


@dataclass(frozen=True, slots=True)
class Trends:
    """The numbers until a snapshot: ``values`` by key, one for each of ``times``.

    The times are on the monotonic clock; the last is that of the snapshot. A value that is not known is nan.
    """

    times: Sequence[float]
    values: Mapping[Key, Sequence[float]]

    def history(self, key: Key) -> tuple[float | None, ...]:
        """Return the values of a series; an empty tuple if it is not known."""
        return tuple(map(_show, self.values.get(key, ())))

    def slope(self, key: Key, seconds: float) -> float | None:
        """Return the growth a second over the last ``seconds``, as deriv() of Prometheus does.

        None while there are too few points.
        """
        points = list(self._since(key, seconds))
        if len(points) < _LEAST_POINTS or points[-1][0] - points[0][0] < _LEAST_SECONDS:
            return None
        mean_x = sum(x for x, _ in points) / len(points)
        mean_y = sum(y for _, y in points) / len(points)
        spread = sum((x - mean_x) ** 2 for x, _ in points)
        return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread

    def rate(self, key: Key, seconds: float) -> float | None:
        """Return the increase a second of a counter, which may begin again at 0; None for a new one."""
        points = list(self._since(key, seconds))
        if len(points) < 2 or points[-1][0] - points[0][0] < _LEAST_SECONDS:  # noqa: PLR2004 - an interval
            return None
        pairs = pairwise(points)
        increase = sum(y - before if y >= before else y for (_, before), (_, y) in pairs)
        return increase / (points[-1][0] - points[0][0])

    def _since(self, key: Key, seconds: float) -> Iterator[tuple[float, float]]:
        start = self.times[-1] - seconds
        pairs = zip(self.times, self.values.get(key, ()), strict=False)
        return ((x, y) for x, y in pairs if x >= start and not isnan(y))


def _show(value: float) -> float | None:
    """Return a value that JSON has, whole numbers without a fraction."""
    if isnan(value):
        return None
    return int(value) if value == int(value) else value


class History:
    """Remembers snapshots; one thread adds them, and any may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times = array("d")
        self._values: dict[Key, array[float]] = {}
        self._step_seconds = 0.0

    def add(self, snapshot: Snapshot) -> float:
        """Remember a snapshot, if enough time has passed since the last; return the CPU seconds it took."""
        at = snapshot.taken_at_monotonic
        if self._times and at - self._times[-1] < _SLACK * self._step_seconds:
            return 0.0
        started = time.thread_time()
        measured = measure(snapshot)
        with self._lock:
            if len(self._times) >= POINTS:
                self._thin()
            self._times.append(at)
            for key, value in measured.items():
                if key in self._values or len(self._values) < MOST_SERIES:
                    self._values.setdefault(key, self._unknown(1)).append(value)
            for values in self._values.values():
                if len(values) < len(self._times):
                    values.append(nan)
        return time.thread_time() - started

    def until(self, snapshot: Snapshot) -> Trends:
        """Return what is remembered from before a snapshot, and the snapshot's own numbers."""
        measured = measure(snapshot)
        at = snapshot.taken_at_monotonic
        with self._lock:
            known = sum(1 for time_ in self._times if time_ < at)
            times = (*self._times[:known], at)
            values = {key: (*past[:known], measured.get(key, nan)) for key, past in self._values.items()}
        new = {key: (*(nan,) * known, value) for key, value in measured.items() if key not in values}
        return Trends(times, {**values, **new})

    def _unknown(self, fewer: int) -> "array[float]":
        return array("d", [nan]) * (len(self._times) - fewer)

    def _thin(self) -> None:
        """Make room: drop every other point, or only the oldest where the step is the longest already."""
        span_seconds = self._times[-1] - self._times[0]
        self._step_seconds = min(2 * span_seconds / (len(self._times) - 1), LONGEST_STEP_SECONDS)
        drop = slice(0, 1) if self._is_sparse(span_seconds) else slice(0, None, 2)
        del self._times[drop]
        for key, values in list(self._values.items()):
            del values[drop]
            if all(map(isnan, values)):
                del self._values[key]

    def _is_sparse(self, span_seconds: float) -> bool:
        return span_seconds >= _SLACK * LONGEST_STEP_SECONDS * (len(self._times) - 1)


def measure(snapshot: Snapshot) -> Mapping[Key, float]:
    """Return the numbers of a snapshot that are remembered, and their sums over each network namespace."""
    found: dict[Key, float] = {}
    spaces = [("", snapshot.samples), *((each.labels.netns, each.samples) for each in snapshot.namespaces)]
    for netns, samples in spaces:
        for metric, kept, join in KEPT:
            places = [_LABELS[metric].index(label) for label in kept]
            for labels, value in samples.get(metric, {}).items():
                key = Key(metric, netns, tuple(labels[place] for place in places))
                found[key] = join(float(found[key]), float(value)) if key in found else value
        sockets = samples.get("netstat_sockets")
        if sockets and netns:
            found[Key("netstat_sockets", netns)] = sum(sockets.values())
    return found
