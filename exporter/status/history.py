"""Remember some numbers of earlier snapshots, at most ``POINTS`` of each series, for growth and small graphs.

At first every snapshot is a point. When there are too many, every other one is dropped, and from then on
points lie twice as far apart, up to ``LONGEST_STEP_SECONDS``. So there is a graph after some passes, and
after an hour one of the hour, for a few hundred bytes a series.
"""

import operator
import threading
import time
from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import isnan, nan
from typing import Final, NamedTuple

from exporter.sampling.snapshot import Snapshot
from exporter.status.grouping import Join, group

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
    join: Join = operator.add


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


@dataclass(frozen=True)
class Trends:
    """The values of series before a snapshot; callers pass ``now``, the value at the snapshot itself.

    ``times`` are seconds on the monotonic clock, the last is that of the snapshot. ``past`` has a value for
    each of the others. A value that is not known is nan in ``past``, and None as ``now``.
    """

    times: Sequence[float]
    past: Mapping[Key, "array[float]"]

    def history(self, key: Key, now: float | None) -> tuple[float | None, ...]:
        """Return the values of a series, one for each time; an empty tuple if nothing is known of it.

        They are as JSON has them: whole numbers without a fraction.
        """
        if key not in self.past and now is None:
            return ()
        values = self._values(key, now)
        return tuple([int(y) if y.is_integer() else None if isnan(y) else y for y in values])

    def slope(self, key: Key, now: float | None, seconds: float) -> float | None:
        """Return the growth a second over the last ``seconds``, as deriv() of Prometheus does.

        None while there are too few points.
        """
        xs, ys = self._points(key, now, seconds)
        number = len(xs)
        if number < _LEAST_POINTS or xs[-1] - xs[0] < _LEAST_SECONDS:
            return None
        sum_x, sum_y = sum(xs), sum(ys)
        sum_xx: float = sum(map(operator.mul, xs, xs))
        sum_xy: float = sum(map(operator.mul, xs, ys))
        return (number * sum_xy - sum_x * sum_y) / (number * sum_xx - sum_x * sum_x)

    def rate(self, key: Key, now: float | None, seconds: float) -> float | None:
        """Return the increase a second of a counter, which may begin again at 0; None for a new one."""
        xs, ys = self._points(key, now, seconds)
        if len(xs) < 2 or xs[-1] - xs[0] < _LEAST_SECONDS:  # noqa: PLR2004 - an interval
            return None
        increase = sum(y - before if y >= before else y for before, y in pairwise(ys))
        return increase / (xs[-1] - xs[0])

    def _values(self, key: Key, now: float | None) -> "array[float]":
        past = self.past.get(key) or array("d", [nan]) * (len(self.times) - 1)
        return past + array("d", [nan if now is None else now])

    def _points(self, key: Key, now: float | None, seconds: float) -> tuple[Sequence[float], Sequence[float]]:
        """Return how long ago the known values of the last ``seconds`` were, and these values."""
        first = bisect_left(self._ages, -seconds)
        xs, ys = self._ages[first:], self._values(key, now)[first:]
        if not isnan(sum(ys)):  # all are known, as of most series
            return xs, ys
        known = [(x, y) for x, y in zip(xs, ys, strict=True) if not isnan(y)]
        return [x for x, _ in known], [y for _, y in known]

    @cached_property
    def _ages(self) -> Sequence[float]:
        """How long ago the values are, below 0 but for the last."""
        return [at - self.times[-1] for at in self.times]


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
        """Return what is remembered from before a snapshot."""
        at = snapshot.taken_at_monotonic
        with self._lock:
            known = bisect_left(self._times, at)
            times = (*self._times[:known], at)
            past = {key: values[:known] for key, values in self._values.items()}
        return Trends(times, past)

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
            if metric in samples:  # which most pods have few of
                for labels, value in group(samples, metric, kept, join).items():
                    found[Key(metric, netns, labels)] = value
        if netns and (sockets := samples.get("netstat_sockets")):
            found[Key("netstat_sockets", netns)] = sum(sockets.values())
    return found
