"""Read and count one table: isolated, timed, and never longer than it may."""

import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from threading import Thread
from typing import Final

from exporter.kernel.counters import parse_sockstat
from exporter.kernel.netlink import Reason, SockDiagError
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.kernel.procnet import parse_table
from exporter.kernel.sockdiag import read_listeners, read_table
from exporter.kernel.tables import Table
from exporter.sampling.counting import COUNTERS, TableCount, TableCounter
from exporter.sampling.ports import PortRules
from exporter.sampling.sources import NETLINK, PROCFS, SourceChoice

_HANG_GRACE_SECONDS: Final = 1.0


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

    def __init__(self, table: Table, procfs: Procfs, rules: PortRules, choice: SourceChoice) -> None:
        self.table = table
        self._procfs = procfs
        self._worker: Thread | None = None
        self.change_rules(rules, choice)

    def change_rules(self, rules: PortRules, choice: SourceChoice) -> None:
        """Let other rules hold from the next reading on; one that hangs is still waited for."""
        self._counter: TableCounter = COUNTERS[self.table.protocol](self.table, rules)
        self._choice = choice

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
                return Reading(error=error)
            self._worker.join(timeout_seconds + _HANG_GRACE_SECONDS)
        if readings:
            return readings[0]
        hangs = ProcfsError(f"{self.table.name}: timeout: the read hangs")
        return Reading(error=hangs, duration_seconds=timeout_seconds)

    def _read(self, listening: Iterable[int], deadline: float) -> Reading:
        started, started_cpu = time.monotonic(), time.thread_time()
        try:
            reading = self._count(listening, deadline)
        except Exception as error:  # noqa: BLE001 - the one place where a table's failure, whatever it is, ends
            reading = Reading(error=error)
        duration, cpu = time.monotonic() - started, time.thread_time() - started_cpu
        return replace(reading, duration_seconds=duration, cpu_seconds=cpu)

    def _count(self, listening: Iterable[int], deadline: float) -> Reading:
        """Count the table by the source of choice, or over procfs where netlink fails."""
        now, failure = time.monotonic(), None
        if self._choice.choose(now) == NETLINK and self._procfs.has_table(self.table.name):
            try:
                count = self._count_netlink(listening, deadline)
            except SockDiagError as error:
                self._choice.note_failure(now)
                if error.reason is Reason.TIMEOUT:  # over procfs it would take longer still
                    raise
                failure = error
            else:
                self._choice.note_rows(count.listed)
                return Reading(count, NETLINK, self._compare_sockstat(count))
        blocks = self._procfs.read_blocks(self.table.name, deadline)
        if blocks is None:
            return Reading()
        with closing(blocks):
            count = self._counter.count(parse_table(self.table, blocks), listening)
        self._choice.note_rows(count.listed)
        if count.accept_queues and self._choice.may_ask_netlink(now):
            try:
                count = replace(count, accept_queue_limits=self._read_limits(deadline))
            except SockDiagError as error:
                self._choice.note_failure(now)
                failure = error
        return Reading(count, PROCFS, self._compare_sockstat(count), netlink_error=failure)

    def _count_netlink(self, listening: Iterable[int], deadline: float) -> TableCount:
        try:
            return self._counter.count(read_table(self.table, deadline), listening)
        except SockDiagError as error:
            if error.reason is not Reason.TRANSIENT:
                raise
        return self._counter.count(read_table(self.table, deadline), listening)

    def _read_limits(self, deadline: float) -> Counter[int]:
        """Return the limits of the accept queues by port, which procfs does not have."""
        limits = Counter[int]()
        for port, _, limit in read_listeners(self.table, deadline):
            limits[port] += limit or 0
        return limits

    def _compare_sockstat(self, count: TableCount) -> int | None:
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
