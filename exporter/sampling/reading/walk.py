"""Walk the tables of one protocol once: isolated, timed, and from the other source when the chosen one fails.

The kernel keeps both families of a protocol in one hash, so the cost of reading one table depends on both.
One source is chosen for both, and netlink gives both TCP tables in one dump. A table that fails over both
sources costs its own result only.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

from exporter.config.settings import NETLINK, PROCFS
from exporter.kernel.counters import Numbers
from exporter.kernel.dumps import retry_once
from exporter.kernel.netlink import Reason, SockDiagError
from exporter.kernel.procfs import Procfs, ProcfsError, ProcfsTimeoutError
from exporter.kernel.procnet import ProcnetError, parse_table
from exporter.kernel.rows import Rows
from exporter.kernel.sockdiag import walk_tables
from exporter.kernel.tables import Detail, Table
from exporter.sampling.reading.guard import HangError, Reads
from exporter.sampling.reading.sockstat import Sockstat
from exporter.sampling.reading.sources import NoSourceError, SourceChoice, other_source

READ_ERRORS: Final = (ProcfsError, ProcnetError, SockDiagError, HangError, NoSourceError)
"""Errors of the kernel or of timing, not of the exporter."""

HANG_GRACE_SECONDS: Final = 1.0
_USUAL: Final = Detail.DROPS  # what is asked for at every pass, so that its cost can be compared


class Observer(Protocol):
    """Sees the rows of one table as they are read."""

    def observe(self, rows: Rows) -> None:
        """Take some rows; an exception makes the table fail."""


Observers = Mapping[str, Observer]
MakeObservers = Callable[[Table], Observers]
"""Returns new observers of a table by name; those of a failed walk have seen a part of it only."""


@dataclass(slots=True)
class Totals:
    """Totals of a table; see ``rows.Rows``."""

    listed: int = 0
    malformed: int = 0
    repeated: int = 0
    minisockets: int = 0

    def observe(self, rows: Rows) -> None:
        """Count some rows."""
        self.listed += rows.listed
        self.malformed += rows.malformed
        self.repeated += rows.repeated
        self.minisockets += rows.minisockets

    def subtract_sockstat(self, in_use: int | None) -> int | None:
        """Return the sockets counted minus the kernel's own exact count, None where it has none."""
        if in_use is None:
            return None
        return self.listed - self.malformed - self.repeated - self.minisockets - in_use


class Observed(NamedTuple):
    """The observers that saw all rows of a table, and its totals."""

    totals: Totals
    observers: Observers


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading one table.

    It was ``observed``, or there is an ``error``, or neither if the kernel has no such table.
    ``fallback_reason`` is why the chosen source could not be used. ``details`` were read with the rows.
    """

    source: str
    observed: Observed | None = None
    error: Exception | None = None
    fallback_reason: Exception | None = None
    sockstat_difference: int | None = None
    duration_seconds: float = 0.0
    details: Detail = Detail.NONE


class Walk:
    """One walk of the tables of a protocol; ``present`` are the tables that were there at least once."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a walk needs of its reader
        self,
        procfs: Procfs,
        guard: Reads,
        sockstat: Sockstat,
        present: set[str],
        make_observers: MakeObservers,
        timeout_seconds: float,
        details: Detail,
    ) -> None:
        self._procfs = procfs
        self._guard = guard
        self._sockstat = sockstat
        self._present = present
        self._make_observers = make_observers
        self._timeout_seconds = timeout_seconds
        self._details = details

    def run(self, tables: Sequence[Table], choice: SourceChoice, rows: int | None) -> Mapping[str, Reading]:
        """Return the reading of each table; ``rows`` is the number to expect in all of them."""
        now, cpu_seconds = time.monotonic(), self._guard.cpu_seconds
        source = choice.choose(rows, now)
        fallback = other_source(source)
        filled = [table for table in tables if not self._is_empty(table)]
        readings = self._read(source, filled) if filled else {}
        for table in tables:
            if table not in filled:
                observed = Observed(Totals(), self._make_observers(table))
                readings[table.name] = Reading(source, observed, sockstat_difference=0)
        if filled and all(each.error is None for each in readings.values()) and self._details in _USUAL:
            listed = sum(reading.observed.totals.listed for reading in readings.values() if reading.observed)
            choice.note_cost(source, listed, self._guard.cpu_seconds - cpu_seconds, now)
        failed = [table for table in filled if _should_fall_back(fallback, readings[table.name].error)]
        if failed and choice.may_use(fallback, now):
            others = self._read(fallback, failed)
            if any(second.error is None for second in others.values()):  # else what failed is no source
                choice.note_failure(source, now)
            readings.update({name: _join(readings[name], second) for name, second in others.items()})
        return readings

    def _read(self, source: str, tables: Sequence[Table]) -> dict[str, Reading]:
        if source == NETLINK:
            return self._read_guarded(f"netlink {tables[0].protocol}", NETLINK, tables)
        readings = {}
        for table in tables:
            readings.update(self._read_guarded(f"table {table.name}", PROCFS, [table]))
        return readings

    def _read_guarded(self, name: str, source: str, tables: Sequence[Table]) -> dict[str, Reading]:
        started = time.monotonic()
        deadline = started + self._timeout_seconds

        def work() -> Mapping[str, Observed]:
            return self._dump(tables, deadline) if source == NETLINK else self._parse(tables[0], deadline)

        try:
            seen = self._guard.read(name, work, self._timeout_seconds + HANG_GRACE_SECONDS)
        except Exception as error:  # noqa: BLE001 - the one place where a table's failure ends
            took = time.monotonic() - started
            return {table.name: Reading(source, error=error, duration_seconds=took) for table in tables}
        took, sockstat = time.monotonic() - started, self._sockstat.read_recent()
        details = self._details if source == NETLINK else Detail.NONE
        return {
            table.name: replace(_describe(source, table, seen, sockstat, took), details=details)
            for table in tables
        }

    def _dump(self, tables: Sequence[Table], deadline: float) -> Mapping[str, Observed]:
        present = [table for table in tables if not self._is_absent(table)]
        return retry_once(lambda: dump_once(present, self._make_observers, self._details, deadline))

    def _parse(self, table: Table, deadline: float) -> Mapping[str, Observed]:
        blocks = self._procfs.read_blocks(table.name, deadline)
        if blocks is None:
            self._check_gone(table)
            return {}
        self._present.add(table.name)
        with closing(blocks):
            seen = Observed(Totals(), self._make_observers(table))
            for rows in parse_table(table, blocks):
                _observe(seen, rows)
        return {table.name: seen}

    def _is_empty(self, table: Table) -> bool:
        """Return whether there is nothing to read; TCP's counters do not count every row."""
        counted = self._sockstat.newest.get(table.sockstat, {})
        return table.protocol != "tcp" and counted.get("inuse") == 0

    def _is_absent(self, table: Table) -> bool:
        """Return whether the kernel has no such table; one that procfs hides is still read over netlink."""
        try:
            absent = not self._procfs.has_table(table.name)
        except ProcfsError:
            return False
        if absent:
            self._check_gone(table)
        else:
            self._present.add(table.name)
        return absent

    def _check_gone(self, table: Table) -> None:
        if table.name in self._present:
            raise ProcfsError(f"{table.name}: the table is gone")


def dump_once(
    tables: Sequence[Table], make_observers: MakeObservers, details: Detail, deadline: float
) -> Mapping[str, Observed]:
    """Let observers see tables of one protocol over netlink; raises SockDiagError.

    ``deadline`` is on the monotonic clock.
    """
    seen = {table.name: Observed(Totals(), make_observers(table)) for table in tables}
    with closing(walk_tables(tables, deadline, details)) as blocks:
        for table, rows in blocks:
            _observe(seen[table.name], rows)
    return seen


def _observe(seen: Observed, rows: Rows) -> None:
    seen.totals.observe(rows)
    for observer in seen.observers.values():
        observer.observe(rows)


def _describe(
    source: str,
    table: Table,
    seen: Mapping[str, Observed],
    sockstat: Mapping[str, Numbers],
    took_seconds: float,
) -> Reading:
    own = seen.get(table.name)
    in_use = sockstat.get(table.sockstat, {}).get("inuse")
    difference = own.totals.subtract_sockstat(in_use) if own else None
    return Reading(source, own, sockstat_difference=difference, duration_seconds=took_seconds)


def _should_fall_back(fallback: str, error: Exception | None) -> bool:
    """Return whether to retry with the other source; procfs is never faster, so never after a timeout."""
    is_late_dump = isinstance(error, SockDiagError) and error.reason is Reason.TIMEOUT
    took_too_long = is_late_dump or isinstance(error, HangError | ProcfsTimeoutError)
    return isinstance(error, READ_ERRORS) and (fallback == NETLINK or not took_too_long)


def _join(first: Reading, second: Reading) -> Reading:
    """Return the reading of the other source; if the kernel gives none either, both errors are reported."""
    if not isinstance(second.error, READ_ERRORS):  # a bug keeps its traceback
        return replace(second, fallback_reason=first.error)
    if str(second.error) == str(first.error):
        return first
    reasons = f"{first.source}: {first.error}; {second.source}: {second.error}"
    return replace(first, error=NoSourceError(reasons))
