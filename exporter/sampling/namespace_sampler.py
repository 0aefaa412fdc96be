"""Sample one network namespace, pass after pass: read its tables, count, fold, track, collect.

The host's own namespace and all others are sampled in the same way. In others only the
collectors run that make sense there, and their series are sparse, because there may be hundreds of them.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Final, NamedTuple

from exporter.config.settings import PROCFS, Settings
from exporter.kernel.rows import Listener
from exporter.kernel.tables import TABLES, Detail, Table
from exporter.sampling.collectors import COLLECTORS
from exporter.sampling.collectors.collector import COUNTER, Collector, IsolatedObserver, Pass, Plan
from exporter.sampling.labels import Samples
from exporter.sampling.passes import Outcome, PassRun
from exporter.sampling.reading.namespace_finder import FoundNamespace
from exporter.sampling.reading.reader import KernelReader
from exporter.sampling.reading.walk import READ_ERRORS, Observed, Observer, Reading, Totals
from exporter.sampling.services.cohorts import EVERY_CGROUP, Tracked, number_states
from exporter.sampling.services.counting import Counters, TableCounter
from exporter.sampling.services.counts import TableCount
from exporter.sampling.services.ports import PortRules
from exporter.sampling.services.series import SeriesMemory
from exporter.sampling.services.tracking import TrackedSockets
from exporter.sampling.snapshot import FoldedPort

_TRACKED: Final = "tracked"


class Sampled(NamedTuple):
    """What a pass found in a namespace: the readings of its tables, and how each collector went.

    ``folded`` are some of the ports without series of their own.
    """

    readings: Mapping[str, Reading]
    samples: dict[str, Samples]
    outcomes: Sequence[Outcome]
    folded: tuple[FoldedPort, ...] = ()


class NamespaceSampler:
    """Knows what lasts from pass to pass: series, tracked sockets, collectors.

    ``is_host`` is True for the host's own namespace. The counters may be those of other namespaces, too.
    """

    def __init__(self, reader: KernelReader, *, is_host: bool) -> None:
        self._reader = reader
        self._is_host = is_host
        self._memory = SeriesMemory(is_sparse=not is_host)
        self._tracked = TrackedSockets()
        self._collectors: dict[str, Collector] = {}
        self._aging: Pass | None = None

    @property
    def tracked_sockets(self) -> int:
        """The number of sockets that are remembered one by one."""
        return len(self._tracked)

    def sample(  # noqa: PLR0913 - a pass, and two things about other namespaces
        self,
        settings: Settings,
        rules: PortRules,
        counters: Counters,
        now: float,
        *,
        owner: str | None = None,
        found: FoundNamespace | None = None,
        empty: Collection[str] = (),
    ) -> Sampled:
        """Read and count every table once; ``now`` is on the monotonic clock.

        ``owner`` and ``found`` are those of another namespace. Tables that are known to be ``empty`` are not
        read.
        """
        run = PassRun(self._enable(settings))
        counters.change_rules(rules)
        self._reader.sockstat.read()
        plan = Plan(settings, rules, now, self._reader)
        run.prepare(plan)
        readings = self._walk(plan, run, counters, empty)
        described = self._describe_pass(plan, readings, counters)
        seen = replace(described, owner=owner, found=found)
        samples = run.collect(seen)
        may_age = not self._is_host and len(self._tracked) > 0
        self._aging = replace(seen, readings={}, counts={}) if may_age else None
        return Sampled(readings, samples, run.outcomes, seen.series.folded_examples)

    def age(self, now: float) -> Mapping[str, Samples]:
        """Return the samples that have changed by ``now``, although nothing happened since the last pass."""
        if self._aging is None:
            return {}
        samples: dict[str, Samples] = {}
        for collector in self._collectors.values():
            if collector.changes_with_time:
                samples |= collector.collect(replace(self._aging, now=now))
        return samples

    def close(self) -> None:
        """Drop all collectors."""
        for collector in self._collectors.values():
            collector.close()
        self._collectors = {}

    def _enable(self, settings: Settings) -> Mapping[str, Collector]:
        """Make the collectors that are enabled, and drop the others."""
        before, self._collectors = (
            self._collectors,
            {
                name: self._collectors.get(name) or made()
                for name, made in COLLECTORS.items()
                if made.is_enabled(settings) and (self._is_host or made.in_every_namespace)
            },
        )
        for name in before.keys() - self._collectors.keys():
            before[name].close()
        return self._collectors

    def _describe_pass(self, plan: Plan, readings: Mapping[str, Reading], counters: Counters) -> Pass:
        """Return what the walks of a pass found."""
        counts = {name: counters.finish(name) for name, reading in readings.items() if reading.observed}
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
            self._find_listeners(readings, counts),
        )

    def _find_listeners(
        self, readings: Mapping[str, Reading], counts: Mapping[str, TableCount]
    ) -> Mapping[str, Sequence[Listener]]:
        if not any(collector.needs_listeners for collector in self._collectors.values()):
            return {}
        found = {name: count.listeners for name, count in counts.items()}
        for name, listeners in found.items():
            if listeners and readings[name].source == PROCFS:
                with suppress(*READ_ERRORS):
                    found[name] = self._reader.read_listeners(TABLES[name])
        return found

    def _walk(
        self, plan: Plan, run: PassRun, counters: Counters, empty: Collection[str]
    ) -> Mapping[str, Reading]:
        settings = plan.settings
        expected = self._memory.expected()
        collectors = self._collectors.values()
        is_tracking = any(collector.needs_tracked for collector in collectors)
        needed = (collector.named_cgroups(settings) for collector in collectors)
        named = next((each for each in needed if each is not EVERY_CGROUP), EVERY_CGROUP)
        self._tracked.change(
            number_states(settings.tracked.states) if is_tracking else frozenset(),
            settings.tracked.limit,
            settings.tables,
        )

        self._seed_ages(plan.now)

        def make_observers(table: Table) -> Mapping[str, Observer]:
            listened = self._memory.listened(table.name, plan.now)
            counter = counters.begin(table, listened, expected)
            observers: dict[str, Observer] = {COUNTER: counter}
            if isinstance(counter, TableCounter):
                if table.protocol == "tcp" and is_tracking:
                    walk = self._tracked.begin(table.name, counter, named, plan.now)
                    observers[_TRACKED] = IsolatedObserver(walk)
                observers |= run.observe(table, counter, plan)
            return observers

        details = reduce(or_, (collector.needed_details for collector in collectors), Detail.NONE)
        filled = [name for name in settings.tables if name not in empty]
        found = self._reader.walk(filled, make_observers, settings.timeout_seconds, details)
        return {
            name: found[name]
            if name in found
            else Reading(PROCFS, Observed(Totals(), make_observers(TABLES[name])))
            for name in settings.tables
        }

    def _seed_ages(self, now: float) -> None:
        """Ask once how old the tracked sockets of the first pass are; in the next, so as not to delay it."""
        for name, wanted in self._tracked.unseeded().items():
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
