"""Take snapshots: a pass over all tables, and the loop that repeats it."""

import math
import time
from collections import ChainMap, Counter
from collections.abc import Callable, Mapping
from threading import Event
from types import MappingProxyType
from typing import Final

from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.kernel.tables import TABLES
from exporter.sampling.attribution import Attribution
from exporter.sampling.capability import Capability, Measures, Pass
from exporter.sampling.counting import TableCount
from exporter.sampling.destinations import BusiestDestinations
from exporter.sampling.drops import UdpDrops
from exporter.sampling.health import Health
from exporter.sampling.owners import Owners
from exporter.sampling.peaks import Peaks
from exporter.sampling.ports import PortRules
from exporter.sampling.protocol import ProtocolReader
from exporter.sampling.reader import HANG_GRACE_SECONDS, Reading
from exporter.sampling.room import Room
from exporter.sampling.series import Series, SeriesMemory
from exporter.sampling.settings import Settings
from exporter.sampling.snapshot import Snapshot, SockstatKey
from exporter.sampling.sources import SourceChoice
from exporter.sampling.stuck import Stuck
from exporter.sampling.watched import Watched, Watcher

CAPABILITIES: Final[tuple[Callable[[], Capability], ...]] = (
    Stuck,
    Owners,
    Room,
    UdpDrops,
    BusiestDestinations,
    Peaks,
)
"""What is measured beyond the counts; each is one module, which can be deleted with its line here."""

DEFAULT_EPHEMERAL: Final = range(32768, 61000)


class Sampler:
    """Counts the sockets of the network namespace that a procfs shows; ``snapshot`` is the newest."""

    def __init__(self, procfs: Procfs, settings: Settings) -> None:
        self.snapshot: Snapshot | None = None
        self._procfs = procfs
        self._settings = settings
        self._rules: PortRules | None = None
        self._source = settings.source
        self._netlink_reachable = procfs.shows_own_namespace()
        self._readers: dict[str, ProtocolReader] = {}
        self._memory = SeriesMemory()
        self._watcher = Watcher(procfs, netlink_reachable=self._netlink_reachable)
        self._capabilities = tuple(make() for make in CAPABILITIES)
        self._health = Health()
        self._passes = Counter(success=0, partial=0, failure=0)
        self._changed = Event()
        self._stopped = Event()
        self._due = math.inf

    def run(self, tell: Callable[[Snapshot], None] = lambda _: None) -> None:
        """Take snapshots until stopped, and tell of each as soon as it is there."""
        self._due = time.monotonic() + self.longest_pass_seconds
        while not self._stopped.is_set():
            snapshot = self.take_snapshot()
            tell(snapshot)
            ended = time.monotonic()
            self._due = ended + snapshot.pass_interval_seconds + self.longest_pass_seconds
            self._changed.wait(snapshot.pass_interval_seconds)
            self._changed.clear()
            least_pause_seconds = snapshot.pass_cpu_seconds / self._settings.cpu_budget
            self._stopped.wait(ended + least_pause_seconds - time.monotonic())

    @property
    def longest_pass_seconds(self) -> float:
        """How long a pass may take: to give up every table twice, and the capabilities once."""
        return 2 * (len(self._settings.tables) + 1) * (self._settings.timeout_seconds + HANG_GRACE_SECONDS)

    def is_overdue(self) -> bool:
        """Tell whether ``run`` takes no snapshots any more, because something hangs that should not."""
        return time.monotonic() > self._due

    def stop(self) -> None:
        """Make ``run`` return after the pass under way."""
        self._stopped.set()
        self._changed.set()

    def change_settings(self, settings: Settings) -> None:
        """Let new settings hold from the next pass on, which begins as soon as the CPU budget lets it."""
        self._settings = settings
        self._changed.set()

    def take_snapshot(self) -> Snapshot:
        """Read and count every table once."""
        settings = self._settings
        started, started_cpu = time.monotonic(), time.thread_time()
        rules = PortRules(settings.names, settings.always, settings.ports_limit, self._read_ephemeral_range())
        self._follow(rules, settings.source)
        readings = self._read(rules, settings)
        counts = {name: reading.count for name, reading in readings.items() if reading.count}
        series = self._memory.label(counts, rules, started)
        measures = self._measure_all(readings, counts, series, settings, started)
        failures = sum(reading.error is not None for reading in readings.values())
        self._passes["failure" if failures == len(readings) else "partial" if failures else "success"] += 1
        cpu_seconds = (
            time.thread_time() - started_cpu + sum(reading.cpu_seconds for reading in readings.values())
        )
        self.snapshot = Snapshot(
            taken_at_seconds=time.time(),
            sockets=MappingProxyType(series.sockets),
            receive_queue_bytes=MappingProxyType(series.receive_queue_bytes),
            send_queue_bytes=MappingProxyType(series.send_queue_bytes),
            accept_queue_length=MappingProxyType(series.accept_queue_length),
            accept_queue_limit=MappingProxyType(series.accept_queue_limit),
            sockstat_difference=_differences(readings),
            measures=MappingProxyType(measures),
            tables=tuple(self._health.describe(name, reading) for name, reading in readings.items()),
            ports_folded=series.ports_folded,
            pass_duration_seconds=time.monotonic() - started,
            pass_cpu_seconds=cpu_seconds,
            pass_interval_seconds=max(settings.interval_seconds, cpu_seconds / settings.cpu_budget),
            passes_total=MappingProxyType(dict(self._passes)),
        )
        return self.snapshot

    def _follow(self, rules: PortRules, source: str) -> None:
        """Let the readers know of what has changed, and keep all else that they have learned."""
        for reader in self._readers.values():
            if rules != self._rules:
                reader.change_rules(rules)
            if source != self._source:
                reader.change_choice(self._make_choice(source))
        self._rules, self._source = rules, source

    def _read(self, rules: PortRules, settings: Settings) -> Mapping[str, Reading]:
        wanted: dict[str, dict[str, tuple[int, ...]]] = {}
        for name in settings.tables:
            wanted.setdefault(TABLES[name].protocol, {})[name] = self._memory.listening(
                name, time.monotonic()
            )
        readings: dict[str, Reading] = {}
        for protocol, tables in wanted.items():
            if protocol not in self._readers:
                self._readers[protocol] = ProtocolReader(
                    self._procfs, rules, self._make_choice(settings.source)
                )
            readings.update(self._readers[protocol].read(tables, settings.timeout_seconds))
        return {name: readings[name] for name in settings.tables}

    def _watch(
        self, counts: Mapping[str, TableCount], attribution: Attribution, settings: Settings
    ) -> Mapping[str, Watched]:
        watched = {}
        for name, count in counts.items():
            if settings.stuck_states and TABLES[name].protocol == "tcp":
                error = None
                try:
                    watched[name] = self._watcher.read(name, count, attribution, settings)
                except Exception as failure:  # noqa: BLE001 - here a failure costs what is told of single sockets
                    error = failure
                self._health.log_change("watched", name, error)
        return watched

    def _measure_all(
        self,
        readings: Mapping[str, Reading],
        counts: Mapping[str, TableCount],
        series: Series,
        settings: Settings,
        started: float,
    ) -> Measures:
        seen = Pass(
            settings=settings,
            procfs=self._procfs,
            sources={name: reading.source for name, reading in readings.items()},
            counts=counts,
            series=series,
            watched=self._watch(counts, series.attribution, settings),
            now=started,
            deadline=time.monotonic() + settings.timeout_seconds,
        )
        return ChainMap(*(dict(self._measure(capability, seen)) for capability in self._capabilities))

    def _measure(self, capability: Capability, seen: Pass) -> Measures:
        name, error = type(capability).__name__, None
        try:
            return capability.measure(seen)
        except Exception as failure:  # noqa: BLE001 - the one place where a capability's failure ends
            error = failure
            return {}
        finally:
            self._health.log_change("capability", name, error)

    def _make_choice(self, source: str) -> SourceChoice:
        return SourceChoice(source, reachable=self._netlink_reachable)

    def _read_ephemeral_range(self) -> range:
        try:
            first, last = (self._procfs.read_sysctl("net/ipv4/ip_local_port_range") or b"").split()
            return range(int(first), int(last) + 1)
        except (ProcfsError, ValueError):
            return DEFAULT_EPHEMERAL


def _differences(readings: Mapping[str, Reading]) -> Mapping[SockstatKey, int]:
    return MappingProxyType(
        {
            SockstatKey(TABLES[name].protocol, TABLES[name].family): reading.sockstat_difference
            for name, reading in readings.items()
            if reading.sockstat_difference is not None
        }
    )
