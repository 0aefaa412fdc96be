"""Sample one network namespace, pass after pass: read its tables, count, fold, track, collect."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from exporter.config.settings import Settings
from exporter.kernel.tables import TABLES, Table
from exporter.sampling.collectors import COLLECTORS
from exporter.sampling.collectors.collector import COUNTER, Collector, IsolatedObserver, Pass, Plan
from exporter.sampling.labels import Samples
from exporter.sampling.passes import Outcome, PassRun
from exporter.sampling.reading.reader import KernelReader
from exporter.sampling.reading.walk import READ_ERRORS, Observer, Reading
from exporter.sampling.services.cohorts import EVERY_CGROUP, Tracked, number_states
from exporter.sampling.services.counting import Counters, TableCounter
from exporter.sampling.services.ports import PortRules
from exporter.sampling.services.series import SeriesMemory
from exporter.sampling.services.tracking import TrackedSockets

_TRACKED: Final = "tracked"


class Sampled(NamedTuple):
    """What a pass found in a namespace: the readings of its tables, and how each collector went."""

    readings: Mapping[str, Reading]
    samples: dict[str, Samples]
    outcomes: Sequence[Outcome]


class NamespaceSampler:
    """Knows what lasts from pass to pass: series, tracked sockets, collectors."""

    def __init__(self, reader: KernelReader, counters: Counters) -> None:
        self._reader = reader
        self._counters = counters
        self._memory = SeriesMemory()
        self._tracked = TrackedSockets()
        self._collectors: dict[str, Collector] = {}

    def sample(self, settings: Settings, rules: PortRules, now: float) -> Sampled:
        """Read and count every table once; ``now`` is on the monotonic clock."""
        run = PassRun(self._enable(settings))
        self._counters.change_rules(rules)
        plan = Plan(settings, rules, now, self._reader)
        run.prepare(plan)
        readings = self._walk(plan, run)
        samples = run.collect(self._describe_pass(plan, readings))
        return Sampled(readings, samples, run.outcomes)

    def _enable(self, settings: Settings) -> Mapping[str, Collector]:
        """Make the collectors that are enabled, and drop the others."""
        self._collectors = {
            name: self._collectors.get(name) or made()
            for name, made in COLLECTORS.items()
            if made.is_enabled(settings)
        }
        return self._collectors

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

        self._seed_ages(settings, plan.now)

        def make_observers(table: Table) -> Mapping[str, Observer]:
            listened = self._memory.listened(table.name, plan.now)
            counter = self._counters.begin(table, listened, expected)
            observers: dict[str, Observer] = {COUNTER: counter}
            if isinstance(counter, TableCounter):
                if table.protocol == "tcp" and is_tracking:
                    walk = self._tracked.begin(table.name, counter, named, plan.now)
                    observers[_TRACKED] = IsolatedObserver(walk)
                observers |= run.observe(table, counter, plan)
            return observers

        want_drops = any(collector.needs_drops for collector in collectors)
        return self._reader.walk(
            settings.tables, make_observers, settings.timeout_seconds, want_drops=want_drops
        )

    def _seed_ages(self, settings: Settings, now: float) -> None:
        """Ask once how old the tracked sockets of the first pass are, so that it was not delayed."""
        wanted = number_states(settings.tracked.states)
        for name in self._tracked.unseeded():
            silences = None
            with suppress(*READ_ERRORS):  # then ages began with the first pass
                silences = self._reader.read_silences(TABLES[name], wanted)
            self._tracked.seed(name, silences, now)

    def _commit(self, readings: Mapping[str, Reading]) -> Mapping[str, Tracked] | Exception:
        """Return the sockets in tracked states, or the error of the observer that tracks them."""
        tracked = {}
        for name, reading in readings.items():
            isolated = reading.observed.observers.get(_TRACKED) if reading.observed else None
            if isinstance(isolated, IsolatedObserver):
                if isolated.error is not None:
                    return isolated.error
                tracked[name] = self._tracked.commit(name)
        return tracked
