"""Read one table's text and count it: isolated, timed, and never longer than it may."""

import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from exporter.kernel.counters import parse_sockstat
from exporter.kernel.netlink import SockDiagError
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.kernel.procnet import parse_table
from exporter.kernel.tables import Table
from exporter.sampling.counting import COUNTERS, TableCount, TableCounter
from exporter.sampling.ports import PortRules
from exporter.sampling.sources import PROCFS
from exporter.sampling.worker import HangError, Worker

HANG_GRACE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of one table: a count, or an error, or neither where the kernel has no such table.

    ``sockstat_difference`` is the sockets counted less those that the kernel's own exact counter has.
    ``netlink_error`` is why netlink could not be used, where procfs took its place.
    """

    count: TableCount | None = None
    source: str = PROCFS
    sockstat_difference: int | None = None
    error: Exception | None = None
    netlink_error: SockDiagError | None = None
    duration_seconds: float = 0.0
    cpu_seconds: float = 0.0


class TableReader:
    """Reads one table pass after pass."""

    def __init__(self, table: Table, procfs: Procfs, rules: PortRules) -> None:
        self.table = table
        self._procfs = procfs
        self._worker = Worker()
        self._was_there = False
        self.change_rules(rules)

    def change_rules(self, rules: PortRules) -> None:
        """Let other rules hold from the next reading on; one that hangs is still waited for."""
        self._rules = rules
        self.leave_counter()

    def leave_counter(self) -> None:
        """Take another counter, because what hangs may still add to the one there is."""
        self.counter: TableCounter = COUNTERS[self.table.protocol](self.table, self._rules)

    def read(self, listening: Iterable[int], timeout_seconds: float) -> Reading:
        """Read the table's text and count it; ``listening`` are ports that were listening lately.

        A read that hangs costs this table only.
        """
        started = time.monotonic()
        counter, deadline = self.counter, started + timeout_seconds
        try:
            return self._worker.run(
                lambda: self._read(counter, listening, deadline), timeout_seconds + HANG_GRACE_SECONDS
            )
        except (HangError, RuntimeError) as error:  # RuntimeError: no room for one more thread
            self.leave_counter()
            return Reading(error=error, duration_seconds=time.monotonic() - started)

    def _read(self, counter: TableCounter, listening: Iterable[int], deadline: float) -> Reading:
        started, started_cpu = time.monotonic(), time.thread_time()
        count = difference = None
        failure: Exception | None = None
        try:
            blocks = self._procfs.read_blocks(self.table.name, deadline)
            if blocks is not None:
                with closing(blocks):
                    count = counter.count(parse_table(self.table, blocks), listening)
                difference = self.compare_sockstat(count)
                self._was_there = True
            elif self._was_there:
                failure = ProcfsError(f"{self.table.name}: the table is gone")
        except Exception as error:  # noqa: BLE001 - the one place where a table's failure, whatever it is, ends
            count, failure = None, error
        duration, cpu = time.monotonic() - started, time.thread_time() - started_cpu
        return Reading(count, PROCFS, difference, failure, None, duration, cpu)

    def compare_sockstat(self, count: TableCount) -> int | None:
        """Return the sockets counted less those in use by the kernel's own counter; None without one."""
        if not self.table.sockstat:
            return None
        try:
            text = self._procfs.read_net("sockstat6" if self.table.family == "ipv6" else "sockstat")
        except ProcfsError:  # which says nothing about the table
            return None
        in_use = parse_sockstat(text or b"").get(self.table.sockstat, {}).get("inuse")
        if in_use is None:
            return None
        return count.listed - count.malformed - count.repeated - count.minisockets - in_use
