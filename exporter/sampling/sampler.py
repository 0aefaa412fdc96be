"""Take snapshots: a pass over all tables, and the loop that repeats it."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event
from types import MappingProxyType
from typing import Final

from exporter.config.settings import Settings
from exporter.kernel.procfs import Procfs
from exporter.kernel.tables import TABLES, Table
from exporter.sampling import health
from exporter.sampling.collectors import COLLECTORS
from exporter.sampling.collectors.collector import Collector, IsolatedObserver, Pass, Plan
from exporter.sampling.health import Health
from exporter.sampling.labels import Metric
from exporter.sampling.pace import Pace
from exporter.sampling.passes import PassRun
from exporter.sampling.reading.guard import HangError
from exporter.sampling.reading.reader import FILE_SECONDS, KernelReader
from exporter.sampling.reading.walk import HANG_GRACE_SECONDS, READ_ERRORS, Observer, Reading
from exporter.sampling.services.cohorts import EVERY_CGROUP, Tracked, number_states
from exporter.sampling.services.counting import Counters, TableCounter
from exporter.sampling.services.names import PortNames
from exporter.sampling.services.ports import DEFAULT_EPHEMERAL, PortRules, read_ephemeral_ports
from exporter.sampling.services.series import SeriesMemory
from exporter.sampling.services.tracking import TrackedSockets
from exporter.sampling.snapshot import Snapshot

METRICS: Final[tuple[Metric, ...]] = (
    *(metric for collector in COLLECTORS.values() for metric in collector.metrics),
    *health.METRICS,
)
"""Every metric of a snapshot, in the order of the page."""

NEED_MORE_PASSES: Final = frozenset(
    metric.name for collector in COLLECTORS.values() if collector.spans_passes for metric in collector.metrics
)
"""The metrics that cannot be measured in one pass."""

OTHER_READS: Final = 15
"""How many reads beside the tables may hang in one pass: those of a procfs that is not there any more."""

_TRACKED: Final = "tracked"


class Sampler:
    """Counts the sockets of the network namespace that a procfs shows; ``snapshot`` is the newest."""

    def __init__(self, procfs: Procfs, settings: Settings, names: PortNames) -> None:
        self.snapshot: Snapshot | None = None
        self._settings, self._names = settings, names
        self._reader = KernelReader(procfs, settings.source)
        self._rules = PortRules(
            names, frozenset(settings.ports.always), settings.ports.limit, DEFAULT_EPHEMERAL
        )
        self._counters = Counters(self._rules)
        self._memory = SeriesMemory()
        self._tracked = TrackedSockets()
        self._collectors: dict[str, Collector] = {}
        self._health = Health()
        self._pace = Pace(settings)
        self._changed = Event()
        self._stopped = Event()
        self._charged_seconds = self._settled_seconds = 0.0
        self._due = math.inf

    def run(self, report: Callable[[Snapshot], None] = lambda _: None) -> None:
        """Take snapshots until stopped, and report each one."""
        self._due = time.monotonic() + self.longest_pass_seconds
        while not self._stopped.is_set():
            snapshot = self.take_snapshot()
            report(snapshot)
            ended = time.monotonic()
            self._due = ended + snapshot.interval_seconds + self.longest_pass_seconds
            self._changed.wait(snapshot.interval_seconds)
            self._changed.clear()
            shortest_seconds = min(
                snapshot.cpu_seconds / self._settings.cpu_budget, snapshot.interval_seconds
            )
            self._stopped.wait(ended + shortest_seconds - time.monotonic())

    @property
    def longest_pass_seconds(self) -> float:
        """The longest time of a pass: every table times out over both sources, and every other read."""
        tables = 2 * len(self._settings.tables) * (self._settings.timeout_seconds + HANG_GRACE_SECONDS)
        return tables + OTHER_READS * FILE_SECONDS

    def charge(self, cpu_seconds: float) -> None:
        """Count CPU time that snapshots cost elsewhere into the budget; for one thread to call."""
        self._charged_seconds += cpu_seconds

    def is_overdue(self) -> bool:
        """Return whether ``run`` hangs."""
        return time.monotonic() > self._due

    def stop(self) -> None:
        """Make ``run`` return after the current pass."""
        self._stopped.set()
        self._changed.set()

    def change_settings(self, settings: Settings, names: PortNames) -> None:
        """Use new settings from the next pass on, which starts as soon as the CPU budget allows."""
        self._settings, self._names = settings, names
        self._changed.set()

    def take_snapshot(self) -> Snapshot:
        """Read and count every table once."""
        started, started_cpu, read_cpu = time.monotonic(), time.thread_time(), self._reader.cpu_seconds
        settings = self._settings
        run = PassRun(self._enable(settings), self._health)
        self._reader.change_source(settings.source)
        plan = Plan(settings, self._read_rules(), started, self._reader)
        run.prepare(plan)
        readings = self._walk(plan, run)
        samples = run.collect(self._describe_pass(plan, readings))
        tables = tuple(self._health.describe_table(name, reading) for name, reading in readings.items())
        self._health.count_pass(tables, run.statuses)
        samples |= self._health.measure(tables, run.statuses, readings)
        cpu_seconds = time.thread_time() - started_cpu + self._reader.cpu_seconds - read_cpu
        charged_seconds = self._charged_seconds
        spent_seconds = cpu_seconds + charged_seconds - self._settled_seconds
        self._settled_seconds = charged_seconds
        sources = {name: reading.source for name, reading in readings.items()}
        snapshot = Snapshot(
            number=self._health.passes,
            taken_at_seconds=time.time(),
            taken_at_monotonic=time.monotonic(),
            samples=MappingProxyType(samples),
            tables=tables,
            collectors=tuple(run.statuses),
            duration_seconds=time.monotonic() - started,
            cpu_seconds=cpu_seconds,
            interval_seconds=self._pace.update(settings, spent_seconds, sources),
        )
        samples |= health.measure_pass(snapshot)  # before another thread sees the snapshot
        self.snapshot = snapshot
        return snapshot

    def _describe_pass(self, plan: Plan, readings: Mapping[str, Reading]) -> Pass:
        """Return what the walks of a pass found."""
        counts = {name: self._counters.finish(name) for name, reading in readings.items() if reading.observed}
        leaking = number_states(plan.settings.tracked.states)
        return Pass(
            plan.settings,
            plan.rules,
            plan.now,
            self._reader,
            readings,
            counts,
            self._memory.fold(counts, plan.rules, leaking, plan.now),
            self._commit(readings),
        )

    def _enable(self, settings: Settings) -> Mapping[str, Collector]:
        """Make the collectors that are enabled, and drop the others."""
        self._collectors = {
            name: self._collectors.get(name) or made()
            for name, made in COLLECTORS.items()
            if made.is_enabled(settings)
        }
        return self._collectors

    def _read_rules(self) -> PortRules:
        """Return the rules for ports, from the settings and the kernel."""
        try:
            ephemeral, reserved = self._reader.read("ephemeral ports", read_ephemeral_ports)
        except HangError:
            ephemeral, reserved = None, ()
        settings = self._settings
        rules = PortRules(
            self._names,
            frozenset(settings.ports.always),
            settings.ports.limit,
            DEFAULT_EPHEMERAL if ephemeral is None else ephemeral,
            reserved,
            is_known=ephemeral is not None,
        )
        if rules != self._rules:
            self._rules = rules
        self._counters.change_rules(self._rules)
        return self._rules

    def _walk(self, plan: Plan, run: PassRun) -> Mapping[str, Reading]:
        settings = plan.settings
        expected = self._memory.expected()
        collectors = self._collectors.values()
        is_tracking = any(collector.needs_tracked for collector in collectors)
        found = (collector.named_cgroups(settings) for collector in collectors)
        named = next((each for each in found if each is not EVERY_CGROUP), EVERY_CGROUP)
        self._tracked.change(
            number_states(settings.tracked.states) if is_tracking else frozenset(),
            settings.tracked.limit,
            settings.tables,
        )

        silences = self._read_silences(settings) if is_tracking else {}

        def make_observers(table: Table) -> Mapping[str, Observer]:
            listened = self._memory.listened(table.name, plan.now)
            counter = self._counters.begin(table, listened, expected)
            observers: dict[str, Observer] = {"counter": counter}
            if isinstance(counter, TableCounter):
                if table.protocol == "tcp" and is_tracking:
                    walk = self._tracked.begin(
                        table.name, counter, named, plan.now, silences.get(table.name, {})
                    )
                    observers[_TRACKED] = IsolatedObserver(walk)
                observers |= run.observe(table, counter, plan)
            return observers

        want_drops = any(collector.needs_drops for collector in collectors)
        return self._reader.walk(
            settings.tables, make_observers, settings.timeout_seconds, want_drops=want_drops
        )

    def _read_silences(self, settings: Settings) -> Mapping[str, Mapping[int, float]]:
        """Return the least age of tracked sockets, for tables that no pass has read yet."""
        silences = {}
        for name in settings.tables:
            if TABLES[name].protocol == "tcp" and self._tracked.is_new(name):
                with suppress(*READ_ERRORS):  # then ages begin now
                    wanted = number_states(settings.tracked.states)
                    silences[name] = self._reader.read_silences(TABLES[name], wanted)
        return silences

    def _commit(self, readings: Mapping[str, Reading]) -> Mapping[str, Tracked] | Exception:
        """Return the sockets in tracked states, or the error of the observer that tracks them."""
        tracked = {}
        for name, reading in readings.items():
            isolated = reading.observed.observers.get(_TRACKED) if reading.observed else None
            if isinstance(isolated, IsolatedObserver):
                if isolated.error is not None:
                    return isolated.error
                tracked[name] = self._tracked.commit(name)
            elif reading.observed is None and reading.error is None:
                self._tracked.note_absent(name)
        return tracked
