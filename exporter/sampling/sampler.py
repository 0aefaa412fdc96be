"""Take snapshots: a pass over all tables, and the loop that repeats it."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from threading import Event
from types import MappingProxyType
from typing import Final

from exporter.config.settings import Settings
from exporter.kernel.pods import DEFAULT_POD_LOGS
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.sampling import health, namespace_results
from exporter.sampling.collectors import COLLECTORS
from exporter.sampling.health import Health
from exporter.sampling.labels import Metric, Samples
from exporter.sampling.namespace_results import Found
from exporter.sampling.namespace_sampler import NamespaceSampler
from exporter.sampling.namespaces import Namespaces
from exporter.sampling.pace import Pace
from exporter.sampling.reading.guard import HangError
from exporter.sampling.reading.reader import FILE_SECONDS, KernelReader
from exporter.sampling.reading.walk import HANG_GRACE_SECONDS
from exporter.sampling.services.counting import Counters
from exporter.sampling.services.names import PortNames
from exporter.sampling.services.ports import DEFAULT_EPHEMERAL, PortRules, read_ephemeral_ports
from exporter.sampling.snapshot import Snapshot

METRICS: Final[tuple[Metric, ...]] = (
    *(metric for collector in COLLECTORS.values() for metric in collector.metrics),
    *health.METRICS,
    *namespace_results.METRICS,
)
"""Every metric of a snapshot, in the order of the page."""

NEED_MORE_PASSES: Final = frozenset(
    metric.name for collector in COLLECTORS.values() if collector.spans_passes for metric in collector.metrics
)
"""The metrics that cannot be measured in one pass."""

QUESTIONS: Final = 2
"""How many questions take as long as a table: for idle connections, and for the memory of sockets."""

OTHER_READS: Final = 23
"""How many reads beside the tables may hang in one pass: those of a procfs that is not there any more."""

_LEAST_SHARE: Final = 0.25
"""The share of the CPU budget that other network namespaces have even where this one uses all of it."""


def without_history(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot of a single pass without what one pass cannot measure."""

    def keep(samples: Mapping[str, Samples]) -> Mapping[str, Samples]:
        return {name: found for name, found in samples.items() if name not in NEED_MORE_PASSES}

    namespaces = tuple(replace(each, samples=keep(each.samples)) for each in snapshot.namespaces)
    return replace(snapshot, samples=keep(snapshot.samples), namespaces=namespaces)


class Sampler:
    """Counts the sockets of the network namespace that a procfs shows; ``snapshot`` is the newest."""

    def __init__(
        self, procfs: Procfs, settings: Settings, names: PortNames, pod_logs: str = DEFAULT_POD_LOGS
    ) -> None:
        self.snapshot: Snapshot | None = None
        self._settings, self._names = settings, names
        self._reader = KernelReader(procfs, settings.source)
        self._rules = PortRules(
            names, frozenset(settings.ports.always), settings.ports.limit, DEFAULT_EPHEMERAL
        )
        self._counters = Counters(self._rules)
        self._host = NamespaceSampler(self._reader, is_host=True)
        self._make_others = partial(Namespaces, self._reader, procfs.root, pod_logs)
        self._others: Namespaces | None = None
        self._host_seconds = 0.0
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
        self.close()

    def close(self) -> None:
        """Let go of what collectors hold, after the last snapshot."""
        self._host.close()

    @property
    def longest_pass_seconds(self) -> float:
        """The longest time of a pass: every table times out over both sources, and every other read."""
        tables = 2 * len(self._settings.tables) + QUESTIONS
        others = 0.0
        if self._settings.namespaces.enabled:
            others = Namespaces.longest_pass_seconds(self._settings.interval_seconds)
        tables_seconds = tables * (self._settings.timeout_seconds + HANG_GRACE_SECONDS)
        return tables_seconds + OTHER_READS * FILE_SECONDS + others

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
        self._reader.change_source(settings.source)
        rules = self._read_rules()
        readings, samples, outcomes, folded = self._host.sample(settings, rules, self._counters, started)
        others = self._sample_others(settings, rules, started)
        collectors = tuple(map(self._health.describe_collector, (*outcomes, *others.outcomes)))
        tables = tuple(self._health.describe_table(name, reading) for name, reading in readings.items())
        self._health.count_pass(tables, collectors)
        samples |= self._health.measure(tables, collectors, readings)
        samples |= others.samples
        for name, total in others.totals.items():
            samples[name] = {(): samples.get(name, {}).get((), 0) + total}
        cpu_seconds = time.thread_time() - started_cpu + self._reader.cpu_seconds - read_cpu
        charged_seconds = self._charged_seconds
        spent_seconds = cpu_seconds + charged_seconds - self._settled_seconds
        self._settled_seconds = charged_seconds
        self._host_seconds = spent_seconds - others.cpu_seconds
        spent_seconds = self._host_seconds + others.charged_seconds
        sources = {name: reading.source for name, reading in readings.items()}
        snapshot = Snapshot(
            number=self._health.passes,
            taken_at_seconds=time.time(),
            taken_at_monotonic=time.monotonic(),
            samples=MappingProxyType(samples),
            tables=tables,
            collectors=collectors,
            duration_seconds=time.monotonic() - started,
            cpu_seconds=cpu_seconds,
            interval_seconds=self._pace.update(settings, spent_seconds, sources),
            namespaces=others.namespaces,
            folded=folded,
        )
        samples |= health.measure_pass(snapshot)  # before another thread sees the snapshot
        self.snapshot = snapshot
        return snapshot

    def _sample_others(self, settings: Settings, rules: PortRules, now: float) -> Found:
        """Sample the other network namespaces with what the host's own namespace leaves of the CPU budget."""
        if not settings.namespaces.enabled:
            self._others = None
            return Found()
        self._others = self._others or self._make_others()
        budget_seconds = settings.interval_seconds * settings.cpu_budget
        allowed_seconds = max(budget_seconds - self._host_seconds, _LEAST_SHARE * budget_seconds)
        return self._others.sample(settings, rules, self._counters, now, allowed_seconds)

    def _read_rules(self) -> PortRules:
        """Return the rules for ports, from the settings and the kernel."""
        problem: str | None = None
        try:
            ephemeral, reserved = self._reader.read("ephemeral ports", read_ephemeral_ports)
        except (HangError, ProcfsError) as error:
            ephemeral, reserved, problem = None, (), str(error)
        settings = self._settings
        rules = PortRules(
            self._names,
            frozenset(settings.ports.always),
            settings.ports.limit,
            DEFAULT_EPHEMERAL if ephemeral is None else ephemeral,
            reserved,
            is_known=ephemeral is not None,
            error=problem,
        )
        if rules != self._rules:
            self._rules = rules
        return self._rules
