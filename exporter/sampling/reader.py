"""Read and count one table: isolated, timed, and never longer than it may."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Thread
from typing import Final

from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.kernel.procnet import parse_sockstat, parse_table
from exporter.kernel.tables import Table
from exporter.sampling.counting import COUNTERS, TableCount, TableCounter
from exporter.sampling.ports import PortRules

_HANG_GRACE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of one table: a count, or an error, or neither where the kernel has no such table.

    ``sockstat_difference`` is the sockets counted less those that the kernel's own exact counter has.
    """

    duration_seconds: float
    cpu_seconds: float
    count: TableCount | None = None
    sockstat_difference: int | None = None
    error: Exception | None = None


class TableReader:
    """Reads one table pass after pass, under rules that do not change."""

    def __init__(self, table: Table, procfs: Procfs, rules: PortRules) -> None:
        self.table = table
        self._procfs = procfs
        self._counter: TableCounter = COUNTERS[table.protocol](table, rules)
        self._worker: Thread | None = None

    def read(self, listening: Iterable[int], timeout_seconds: float) -> Reading:
        """Read and count the table; ``listening`` are ports that were listening lately.

        It happens in a thread, so that a read that hangs costs this table only. That thread is left alone
        then, and no other is started while it lives.
        """
        readings: list[Reading] = []
        if self._worker is None or not self._worker.is_alive():
            deadline = time.monotonic() + timeout_seconds
            self._worker = Thread(
                target=lambda: readings.append(self._read(listening, deadline)), daemon=True
            )
            try:
                self._worker.start()
            except RuntimeError as error:  # no room for one more thread
                self._worker = None
                return Reading(0.0, 0.0, error=error)
            self._worker.join(timeout_seconds + _HANG_GRACE_SECONDS)
        if readings:
            return readings[0]
        return Reading(timeout_seconds, 0.0, error=ProcfsError(f"{self.table.name}: timeout: the read hangs"))

    def _read(self, listening: Iterable[int], deadline: float) -> Reading:
        started, started_cpu = time.monotonic(), time.thread_time()
        count = difference = failure = None
        try:
            blocks = self._procfs.read_blocks(self.table.name, deadline)
            if blocks is not None:
                count = self._counter.count(parse_table(self.table, blocks), listening)
                difference = self._compare_sockstat(count)
        except Exception as error:  # noqa: BLE001 - the one place where a table's failure, whatever it is, ends
            count, failure = None, error
        duration, cpu = time.monotonic() - started, time.thread_time() - started_cpu
        return Reading(duration, cpu, count, difference, failure)

    def _compare_sockstat(self, count: TableCount) -> int | None:
        if not self.table.sockstat:
            return None
        text = self._procfs.read_net("sockstat6" if self.table.family == "ipv6" else "sockstat")
        in_use = parse_sockstat(text or b"").get(self.table.sockstat)
        if in_use is None:
            return None
        return count.listed - count.malformed - count.repeated - count.minisockets - in_use
