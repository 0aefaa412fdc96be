"""Define a collector, and what it sees of a pass."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from exporter.config.settings import Settings
from exporter.kernel.rows import Listener, Rows
from exporter.kernel.tables import TABLES, Detail, Table
from exporter.sampling.labels import Metric, Samples
from exporter.sampling.reading.namespace_finder import FoundNamespace
from exporter.sampling.reading.reader import KernelReader
from exporter.sampling.reading.walk import Observer, Reading
from exporter.sampling.services.cohorts import EVERY_CGROUP, Tracked
from exporter.sampling.services.counting import TableCounter
from exporter.sampling.services.counts import TableCount
from exporter.sampling.services.details import Priced
from exporter.sampling.services.ports import Directions, PortRules
from exporter.sampling.services.series import Folded, Series

FindService = Callable[[int, int], int]
"""Returns the service of a socket, by its local and its remote port."""

COUNTER: Final = "counter"
"""The name of the observer that counts the sockets of a table."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known before a pass reads the tables; ``now`` is on the monotonic clock."""

    settings: Settings
    rules: PortRules
    now: float
    reader: KernelReader


class CollectorError(Exception):
    """A collector returned what it did not declare."""


class PartialError(Exception):
    """A collector could not read all that it needs; ``samples`` are of the metrics that it measured."""

    def __init__(self, causes: Iterable[Exception], samples: Mapping[str, Samples]) -> None:
        super().__init__("; ".join(map(str, causes)))
        self.samples = samples


class IsolatedObserver:
    """An observer whose failure costs its collector only, not the table."""

    def __init__(self, observer: Observer) -> None:
        self.error: Exception | None = None
        self._observer = observer

    def observe(self, rows: Rows) -> None:
        """Pass some rows to the observer, unless it has failed."""
        if self.error is None:
            try:
                self._observer.observe(rows)
            except Exception as error:  # noqa: BLE001 - raised again when the observer is asked for
                self.error = error

    def unwrap(self) -> Observer:
        """Return the observer; raises what it raised."""
        if self.error is not None:
            raise self.error
        return self._observer


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass over the tables; of those that could be read there are counts, and sockets in tracked states.

    ``listeners`` has TCP's sockets that listen, by table, if a collector needs them. Procfs lacks most about
    them. When it is the source, they come over netlink, and from procfs only where that fails.

    ``owner`` is that of everything in another network namespace, and None in the host's own. ``found`` has
    the processes there.
    """

    settings: Settings
    rules: PortRules
    now: float
    reader: KernelReader
    readings: Mapping[str, Reading]
    counts: Mapping[str, TableCount]
    series: Series
    tracked_or_error: Mapping[str, Tracked] | Exception
    listeners: Mapping[str, Sequence[Listener]]
    owner: str | None = None
    found: FoundNamespace | None = None

    @property
    def is_host(self) -> bool:
        """Whether it is of the host's own network namespace."""
        return self.owner is None

    @property
    def tracked(self) -> Mapping[str, Tracked]:
        """The sockets in tracked states, by table; raises what went wrong with them."""
        if isinstance(self.tracked_or_error, Exception):
            raise self.tracked_or_error
        return self.tracked_or_error

    def folded(self) -> Iterator[tuple[Table, Folded]]:
        """Yield the tables that could be read, with their counts by service."""
        return ((TABLES[name], folded) for name, folded in self.series.tables.items())

    def find_services(self) -> Mapping[str, FindService]:
        """Return what finds the service of a socket by its ports, for TCP's tables that could be read."""
        return {name: counter.find_service for name, counter in self._tcp_counters()}

    def find_directions(self) -> Mapping[str, Directions]:
        """Return what decides the services of sockets until the next pass, by table, as above."""
        return {name: counter.directions.freeze() for name, counter in self._tcp_counters()}

    def _tcp_counters(self) -> Iterator[tuple[str, TableCounter]]:
        for name, reading in self.readings.items():
            counter = reading.observed.observers[COUNTER] if reading.observed else None
            if isinstance(counter, TableCounter) and TABLES[name].protocol == "tcp":
                yield name, counter

    def read_detail(
        self, name: str, detail: Detail, make_observer: Callable[[FindService], Observer]
    ) -> Priced[Mapping[str, Observer]]:
        """Return the observers of a collector that saw a detail of TCP's sockets, by table.

        Where the walk of this pass did not have it, TCP's tables are walked once more. Raises HangError,
        SockDiagError, and what an observer raised.
        """
        find_service = self.find_services()
        if all(detail in self.readings[table].details for table in find_service):
            observers = {table.name: observer for table, observer in self.observers(name)}
            return Priced(observers, self.reader.details_cpu_seconds)
        before_seconds = self.reader.cpu_seconds
        seen = self.reader.read_details(
            [TABLES[table] for table in find_service],
            lambda table: {name: make_observer(find_service[table.name])},
            detail,
            self.settings.timeout_seconds,
        )
        observers = {table: observed.observers[name] for table, observed in seen.items()}
        return Priced(observers, self.reader.cpu_seconds - before_seconds)

    def observers(self, name: str) -> Iterator[tuple[Table, Observer]]:
        """Yield the observers of a collector that saw a whole table; raises what one of them raised."""
        for table, reading in self.readings.items():
            isolated = reading.observed.observers.get(name) if reading.observed else None
            if isinstance(isolated, IsolatedObserver):
                yield TABLES[table], isolated.unwrap()


class Collector(ABC):
    """Measures something at every pass, and may remember from one to the next.

    It is made when it is enabled, and closed and dropped when it is disabled. ``needs_tracked`` asks for
    the sockets in tracked states, ``needs_listeners`` for those that listen. ``spans_passes`` means that a
    single pass cannot measure any of its metrics. ``in_every_namespace`` makes another one for each other
    network namespace; those do not share anything. ``changes_with_time`` means that what it collects of
    a namespace changes although nothing happens there.
    """

    name: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]
    needs_tracked: ClassVar[bool] = False
    needs_listeners: ClassVar[bool] = False
    spans_passes: ClassVar[bool] = False
    in_every_namespace: ClassVar[bool] = False
    changes_with_time: ClassVar[bool] = False

    @staticmethod
    @abstractmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""

    def named_cgroups(self, settings: Settings) -> Collection[int]:  # noqa: ARG002
        """Return the cgroups for whose tracked sockets it needs no inode."""
        return EVERY_CGROUP

    def close(self) -> None:  # noqa: B027 - few hold anything
        """Let go of what it holds, such as a thread; it is not used again. Never waits, raises nothing."""

    def prepare(self, plan: Plan) -> None:  # noqa: B027 - few override it
        """Get ready before the tables are read; may raise anything."""

    @property
    def needed_details(self) -> Detail:
        """The details of sockets that it needs in this pass, once it is prepared."""
        return Detail.NONE

    def observe(self, table: Table, counter: TableCounter, plan: Plan) -> Observer | None:  # noqa: ARG002
        """Return an observer of the rows of a table, or None.

        It is called again when the walk is retried. An exception of the observer costs the collector only.
        """
        return None

    @abstractmethod
    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the samples of its metrics, by their names.

        Raises PartialError if some of them could not be measured; may raise anything.
        """
