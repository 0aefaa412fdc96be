"""Read the tables of one protocol by the source of choice.

The kernel keeps both families of a protocol in one hash: what reading either table costs is decided by what
is in both. So one source is chosen for both, and netlink gives TCP's in one dump.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Final

from exporter.kernel.netlink import Reason, SockDiagError, ask_twice_if_busy
from exporter.kernel.procfs import Procfs, ProcfsTimeoutError
from exporter.kernel.sockdiag import read_listeners, read_tables
from exporter.kernel.tables import TABLES, Table
from exporter.sampling.counting import TableCount
from exporter.sampling.ports import PortRules
from exporter.sampling.reader import HANG_GRACE_SECONDS, Reading, TableReader
from exporter.sampling.sources import NETLINK, SourceChoice
from exporter.sampling.worker import HangError, Worker

_LIMITS_SECONDS: Final = 1.0

Readings = Mapping[str, Reading]
Listening = Mapping[str, Iterable[int]]
"""The tables to read, each with the ports that were listening lately."""


class ProtocolReader:
    """Reads the tables of a protocol pass after pass."""

    def __init__(self, procfs: Procfs, rules: PortRules, choice: SourceChoice) -> None:
        self._procfs = procfs
        self._rules = rules
        self._choice = choice
        self._tables: dict[str, TableReader] = {}
        self._worker = Worker()

    def change_rules(self, rules: PortRules) -> None:
        """Let other rules hold from the next reading on; one that hangs is still waited for."""
        self._rules = rules
        for table in self._tables.values():
            table.change_rules(rules)

    def change_choice(self, choice: SourceChoice) -> None:
        """Let another choice of source hold from the next reading on."""
        self._choice = choice

    def read(self, listening: Listening, timeout_seconds: float) -> Readings:
        """Read and count the tables, over procfs where netlink fails."""
        for name in listening.keys() - self._tables.keys():
            self._tables[name] = TableReader(TABLES[name], self._procfs, self._rules)
        readings = self._read(listening, time.monotonic(), timeout_seconds)
        errors = [reading.error for reading in readings.values() if reading.error]
        if any(isinstance(error, ProcfsTimeoutError | HangError) for error in errors):
            self._choice.note_timeout()
        elif not errors:
            self._choice.note_rows(
                sum(reading.count.listed for reading in readings.values() if reading.count)
            )
        return readings

    def _read(self, listening: Listening, now: float, timeout_seconds: float) -> Readings:
        if self._choice.choose(now) != NETLINK:
            return self._read_text(listening, now, timeout_seconds)
        try:
            dumped = self._worker.run(
                lambda: self._dump(listening, now + timeout_seconds), timeout_seconds + HANG_GRACE_SECONDS
            )
        except (HangError, RuntimeError) as error:
            for name in listening:
                self._tables[name].leave_counter()
            return {name: Reading(source=NETLINK, error=error) for name in listening}
        if not isinstance(dumped, SockDiagError):
            return dumped
        self._choice.note_failure(now)
        readings = self._read_text(listening, now, timeout_seconds)
        return {name: replace(reading, netlink_error=dumped) for name, reading in readings.items()}

    def _dump(self, listening: Listening, deadline: float) -> Readings | SockDiagError:
        """Return what netlink gave, or why it gave nothing where procfs may do better."""
        started, started_cpu = time.monotonic(), time.thread_time()
        counts: Mapping[str, TableCount] = {}
        failure: Exception | None = None
        try:
            counts = ask_twice_if_busy(lambda: self._count_dump(listening, deadline))
        except SockDiagError as error:
            if error.reason is not Reason.TIMEOUT:  # over procfs it would take longer still
                return error
            failure = error
        except Exception as error:  # noqa: BLE001 - as for the text of a table
            failure = error
        differences = {name: self._tables[name].compare_sockstat(count) for name, count in counts.items()}
        duration, cpu = time.monotonic() - started, time.thread_time() - started_cpu
        return {
            name: Reading(
                counts.get(name),
                NETLINK,
                differences.get(name),
                failure,
                None,
                duration,
                cpu / len(listening),
            )
            for name in listening
        }

    def _count_dump(self, listening: Listening, deadline: float) -> Mapping[str, TableCount]:
        present = {name: ports for name, ports in listening.items() if self._procfs.has_table(name)}
        counters = {name: self._tables[name].counter for name in present}
        for name, ports in present.items():
            counters[name].begin(ports)
        with closing(read_tables([TABLES[name] for name in present], deadline)) as batches:
            for table, batch in batches:
                counters[table.name].add(batch)
        return {name: counter.finish() for name, counter in counters.items()}

    def _read_text(self, listening: Listening, now: float, timeout_seconds: float) -> Readings:
        readings = {}
        for name, ports in listening.items():
            reading = self._tables[name].read(ports, timeout_seconds)
            if reading.count and reading.count.accept_queues and self._choice.may_ask_netlink(now):
                reading = self._add_limits(TABLES[name], reading, reading.count)
            readings[name] = reading
        return readings

    def _add_limits(self, table: Table, reading: Reading, count: TableCount) -> Reading:
        """Ask netlink for the limits of the accept queues, which procfs does not have."""
        now = time.monotonic()
        limits = Counter[int]()
        try:
            listeners = ask_twice_if_busy(lambda: read_listeners(table, now + _LIMITS_SECONDS))
        except SockDiagError as error:
            self._choice.note_failure(now)
            return replace(reading, netlink_error=error)
        for port, _, limit in listeners:
            limits[port] += limit or 0
        return replace(reading, count=replace(count, accept_queue_limits=limits))
