"""Read the kernel for one thread: guarded, from the chosen source."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from exporter.config.settings import NETLINK
from exporter.kernel.dumps import retry_once
from exporter.kernel.netlink import Reason, SockDiagError
from exporter.kernel.procfs import Procfs
from exporter.kernel.rows import End, Listener, Origin, Silences
from exporter.kernel.sockdiag import read_bound, read_ends, read_listeners, read_silences
from exporter.kernel.tables import TABLES, Detail, Table
from exporter.sampling.reading.guard import Guard, Reads
from exporter.sampling.reading.sockstat import Sockstat
from exporter.sampling.reading.sources import SourceChoice
from exporter.sampling.reading.walk import (
    HANG_GRACE_SECONDS,
    MakeObservers,
    Observed,
    Reading,
    Walk,
    dump_once,
)

T = TypeVar("T")

FILE_SECONDS: Final = 1.0
"""The timeout of a file that is not a table, and of a dump of listeners."""

_ELSEWHERE: Final = "it shows another network namespace than the procfs"
_LONGER: Final = 3
"""How many times as long a walk with details may take; it is two in practice."""


class _Cost(NamedTuple):
    """What a walk took."""

    seconds: float
    cpu_seconds: float


class KernelReader:
    """Reads the network namespace that a procfs shows.

    ``sockstat`` has the kernel's own counters, which every walk reads. ``details_cpu_seconds`` is what the
    details of TCP's sockets cost in the last walk, if it had some.

    ``reads`` runs the reads where they are already guarded as a whole.
    """

    def __init__(self, procfs: Procfs, source: str, reads: Reads | None = None) -> None:
        self._procfs = procfs
        self._guard = reads or Guard()
        self.sockstat = Sockstat(procfs, self._guard)
        self._reachable = procfs.shows_own_namespace()
        self._source = source
        self._choices: dict[str, SourceChoice] = {}
        self._present: set[str] = set()
        self.details_cpu_seconds = 0.0
        self._usual_walk: _Cost | None = None

    @property
    def cpu_seconds(self) -> float:
        """The CPU time of all reads until now."""
        return self._guard.cpu_seconds

    def change_source(self, source: str) -> None:
        """Use another source from the next pass on."""
        if source != self._source:
            self._source = source
            self._choices.clear()

    def read(self, name: str, work: Callable[[Procfs], T], timeout_seconds: float = FILE_SECONDS) -> T:
        """Return what ``work`` reads from procfs; ``name`` identifies the read while it hangs.

        Raises HangError, and what the work raises.
        """
        return self._guard.read(name, lambda: work(self._procfs), timeout_seconds)

    def is_hanging(self, name: str) -> bool:
        """Return whether the read of this name still hangs."""
        return self._guard.is_hanging(name)

    def read_listeners(self, table: Table) -> Sequence[Listener]:
        """Return TCP's listeners over netlink: only netlink has the limits of their queues.

        Raises HangError, SockDiagError.
        """
        return self._ask(
            f"listeners of {table.name}", lambda deadline: read_listeners([table], deadline)[table.name]
        )

    def read_bound(self, tables: Collection[Table], timeout_seconds: float) -> Sequence[tuple[Table, Origin]]:
        """Return TCP's sockets that are only bound, by netlink; raises HangError, SockDiagError."""
        return self._ask("bound sockets", lambda deadline: read_bound(tables, deadline), timeout_seconds)

    def read_ends(self, tables: Collection[Table], state: int) -> Sequence[End]:
        """Return the other ends of TCP's sockets in one state, by netlink.

        Raises HangError, SockDiagError.
        """
        return self._ask("remote addresses", lambda deadline: read_ends(tables, state, deadline))

    def read_silences(self, table: Table, wanted_states: Collection[int]) -> Silences:
        """Return how long ago the last segment came from the other end of TCP's sockets in some states.

        Raises HangError, SockDiagError.
        """
        return self._ask(
            f"silences of {table.name}", lambda deadline: read_silences(table, wanted_states, deadline)
        )

    def _ask(self, what: str, ask: Callable[[float], T], timeout_seconds: float = FILE_SECONDS) -> T:
        """Return the answer to a question about TCP's sockets over netlink.

        ``what`` identifies it while it hangs. ``ask`` gets the deadline on the monotonic clock, and is called
        again after a transient error. Raises HangError and SockDiagError.
        """
        now = time.monotonic()
        choice = self._choice_of("tcp")
        if not choice.may_use(NETLINK, now):
            why = "it failed within the last minute" if self._reachable else _ELSEWHERE
            raise SockDiagError(Reason.UNAVAILABLE, f"not available: {why}")
        try:
            return self._guard.read(
                what,
                lambda: retry_once(lambda: ask(now + timeout_seconds)),
                timeout_seconds + HANG_GRACE_SECONDS,
            )
        except SockDiagError as error:
            if error.reason is Reason.UNAVAILABLE:  # a busy or late answer says nothing about the tables
                choice.note_failure(NETLINK, now)
            raise

    def walk(
        self,
        names: Sequence[str],
        make_observers: MakeObservers,
        timeout_seconds: float,
        details: Detail = Detail.NONE,
    ) -> Mapping[str, Reading]:
        """Walk each table once, the tables of one protocol together, with some details.

        Details of TCP's sockets are left out where a walk with them may take too long.
        """
        rows = self._expect_rows()
        protocols: dict[str, list[Table]] = {}
        for name in names:
            protocols.setdefault(TABLES[name].protocol, []).append(TABLES[name])
        readings: dict[str, Reading] = {}
        for protocol, tables in protocols.items():
            asked = details & (self._affordable(timeout_seconds) if protocol == "tcp" else Detail.DROPS)
            started, started_cpu = time.monotonic(), self.cpu_seconds
            walk = Walk(
                self._procfs,
                self._guard,
                self.sockstat,
                self._present,
                make_observers,
                timeout_seconds,
                asked,
            )
            readings.update(walk.run(tables, self._choice_of(protocol), rows.get(protocol)))
            if protocol == "tcp":
                self._note_cost(asked, _Cost(time.monotonic() - started, self.cpu_seconds - started_cpu))
        return {name: readings[name] for name in names}

    def read_details(
        self,
        tables: Sequence[Table],
        make_observers: MakeObservers,
        details: Detail,
        timeout_seconds: float,
    ) -> Mapping[str, Observed]:
        """Walk TCP's tables over netlink, for details that the walk of this pass did not have.

        Raises HangError and SockDiagError.
        """
        return self._ask(
            f"details: {details.name}",
            lambda deadline: dump_once(tables, make_observers, details, deadline),
            timeout_seconds,
        )

    def _affordable(self, timeout_seconds: float) -> Detail:
        """Return the details of TCP's sockets that a walk has time for, by what the last one without took."""
        usual = self._usual_walk
        has_time = usual is not None and _LONGER * usual.seconds < timeout_seconds
        return Detail.DATA_TIMES | Detail.MEMORY if has_time else Detail.NONE

    def _note_cost(self, details: Detail, cost: "_Cost") -> None:
        if not details:
            self._usual_walk = cost
        elif self._usual_walk is not None:
            self.details_cpu_seconds = max(0.0, cost.cpu_seconds - self._usual_walk.cpu_seconds)

    def _expect_rows(self) -> Mapping[str, int]:
        """Return by protocol how many rows to expect, from the kernel's own counters."""
        sockstat = self.sockstat.read_recent()
        expected: dict[str, int] = {}
        for table in TABLES.values():
            if numbers := sockstat.get(table.sockstat):
                rows = numbers.get("inuse", 0) + numbers.get("tw", 0)
                expected[table.protocol] = expected.get(table.protocol, 0) + rows
        return expected

    def _choice_of(self, protocol: str) -> SourceChoice:
        if protocol not in self._choices:
            self._choices[protocol] = SourceChoice(self._source, reachable=self._reachable)
        return self._choices[protocol]
