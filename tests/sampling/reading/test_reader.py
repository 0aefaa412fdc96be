"""Whatever becomes of a table is a value: a count, an absence or an error, and in time."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.kernel import states
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.kernel.procnet import ProcnetError
from exporter.kernel.tables import TABLES
from exporter.sampling.ports import PortRules, Service
from exporter.sampling.reader import Reading, TableReader
from exporter.sampling.services import PortNames
from tests.support.procfs_tree import CAPTURED, Printed, ProcfsTree, open_files
from tests.support.sampling.odd_procfs import FailingProcfs, HangingProcfs
from tests.support.sampling.port_rules import EPHEMERAL, make_rules
from tests.support.sampling.watched import lay_out_connections

PATIENCE_SECONDS = 30.0
LISTENING_80 = Service("inbound", 80)


@pytest.fixture
def tree(tmp_path: Path) -> ProcfsTree:
    """Lay out a procfs with a listener and two connections of port 80."""
    return lay_out_connections(tmp_path)


def read(procfs: Procfs, table: str = "tcp", rules: PortRules | None = None) -> Reading:
    """Read a table once."""
    return TableReader(TABLES[table], procfs, rules or make_rules()).read((), PATIENCE_SECONDS)


def test_count(tree: ProcfsTree) -> None:
    reading = read(tree.procfs())
    assert reading.count is not None
    assert list(reading.count.tallies) == [LISTENING_80]
    assert (reading.count.listed, reading.error, reading.sockstat_difference) == (3, None, None)
    assert 0 <= reading.cpu_seconds <= reading.duration_seconds + 0.1 < PATIENCE_SECONDS


def test_ports_that_listened_lately_count(tree: ProcfsTree) -> None:
    tree.fill("tcp", Printed(9999, 443))
    reader = TableReader(TABLES["tcp"], tree.procfs(), make_rules())
    reading = reader.read([9999], PATIENCE_SECONDS)
    assert reading.count is not None
    assert list(reading.count.tallies) == [Service("inbound", 9999)]


def test_a_table_that_was_there_and_is_gone_is_an_error(tree: ProcfsTree) -> None:
    reader = TableReader(TABLES["udp"], tree.procfs(), make_rules())
    tree.fill("udp", Printed(53))
    assert reader.read((), PATIENCE_SECONDS).error is None
    (tree.net / "udp").unlink()
    assert str(reader.read((), PATIENCE_SECONDS).error) == "udp: the table is gone"


def test_missing_table_is_no_error(tree: ProcfsTree) -> None:
    reading = read(tree.procfs(), "tcp6")
    assert (reading.count, reading.error) == (None, None)


def test_empty_file_is_an_error(tree: ProcfsTree) -> None:
    tree.write("tcp", b"")
    reading = read(tree.procfs())
    assert reading.count is None
    assert isinstance(reading.error, ProcnetError)


@pytest.mark.parametrize(
    ("sockstat", "expected"),
    [(b"TCP: inuse 2 orphan 0\n", 0), (b"TCP: inuse 5\n", -3), (b"UDP: inuse 5\n", None), (b"", None)],
)
def test_difference_to_sockstat(tree: ProcfsTree, sockstat: bytes, expected: int | None) -> None:
    """Of three sockets one is in TIME_WAIT, which sockstat does not count."""
    tree.write("sockstat", sockstat)
    assert expected == read(tree.procfs()).sockstat_difference


@pytest.mark.parametrize("table", [name for name in TABLES if name != "unix"])
def test_captured_tables_agree_with_sockstat(table: str) -> None:
    assert read(Procfs(str(CAPTURED)), table).sockstat_difference == 0


def test_unix_sockets_are_in_no_sockstat() -> None:
    reading = read(Procfs(str(CAPTURED)), "unix")
    assert reading.count is not None
    assert reading.sockstat_difference is None


def test_unreadable_sockstat_costs_the_difference_only(tree: ProcfsTree) -> None:
    """What the table says is not in doubt."""
    tree.make_fifo("sockstat")
    reading = read(tree.procfs())
    assert reading.count is not None
    assert (reading.error, reading.sockstat_difference) == (None, None)


@pytest.mark.parametrize("error", [ProcfsError("gone"), MemoryError(), ZeroDivisionError("a bug")])
def test_nothing_is_half_counted(tree: ProcfsTree, error: Exception) -> None:
    """An error after the first block leaves no count, and the next reading has the whole of it."""
    procfs = FailingProcfs(tree.root, "tcp", error)
    reader = TableReader(TABLES["tcp"], procfs, make_rules())
    failed = reader.read((), PATIENCE_SECONDS)
    assert (failed.count, failed.sockstat_difference, failed.error) == (None, None, error)
    procfs.error = None
    assert reader.read((), PATIENCE_SECONDS).count == read(tree.procfs()).count


class BrokenNames(dict[int, str]):
    """Names that cannot be looked up."""

    def __contains__(self, key: object) -> bool:
        return bool(1 / 0)


def test_bug_in_the_counter_leaves_nothing_open(tree: ProcfsTree) -> None:
    """Where counting fails at once, the table that was opened for it is closed."""
    rules = PortRules(PortNames({}, BrokenNames(), {}), frozenset(), 100, EPHEMERAL)
    reader = TableReader(TABLES["tcp"], tree.procfs(), rules)
    before = open_files()
    for _ in range(3):
        assert isinstance(reader.read([40000], PATIENCE_SECONDS).error, ZeroDivisionError)
    assert before == open_files()


def test_table_that_is_none_is_closed(tree: ProcfsTree) -> None:
    """At once, although the error still knows what was being read."""
    tree.write("tcp", b"no table\n")
    before = open_files()
    reading = read(tree.procfs())
    assert before == open_files()
    assert reading.error is not None


@pytest.fixture
def hanging(tree: ProcfsTree) -> Iterator[HangingProcfs]:
    """Hang in the table ``tcp`` until the end of the test."""
    with HangingProcfs(tree.root, "tcp") as procfs:
        yield procfs


def test_hanging_read(hanging: HangingProcfs) -> None:
    """It is given up, and nothing else is started while it hangs; then all is well again."""
    reader = TableReader(TABLES["tcp"], hanging, make_rules())
    threads = threading.active_count()
    started = time.monotonic()
    for _ in range(100):
        reading = reader.read((), 0.01)
        assert reading.count is None
        assert str(reading.error) == "timeout: the read hangs"
        assert threading.active_count() == threads + 1
    assert hanging.reads == 1
    assert time.monotonic() - started < PATIENCE_SECONDS
    hanging.release.set()
    patience = time.monotonic() + PATIENCE_SECONDS
    while reader.read((), PATIENCE_SECONDS).count is None:
        assert time.monotonic() < patience
    assert threading.active_count() == threads


def test_late_reading_is_dropped(hanging: HangingProcfs, tree: ProcfsTree) -> None:
    """What a read that hung brings in the end is of another time."""
    reader = TableReader(TABLES["tcp"], hanging, make_rules())
    assert reader.read((), 0.01).error is not None
    hanging.release.set()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon:
            thread.join(PATIENCE_SECONDS)
    tree.fill("tcp", Printed(443, state=states.LISTEN))
    reading = reader.read((), PATIENCE_SECONDS)
    assert reading.count is not None
    assert list(reading.count.tallies) == [Service("inbound", 443)]


def test_table_that_takes_too_long(tree: ProcfsTree) -> None:
    """Reading ends at the deadline, without a thread that is left behind."""
    lines = [b"Inode Path".ljust(63), *[b"row".ljust(63)] * 9000]
    tree.write("unix", b"\n".join(lines))
    threads = threading.active_count()
    reading = TableReader(TABLES["unix"], tree.procfs(), make_rules()).read((), 0.0)
    assert reading.count is None
    assert str(reading.error) == f"{tree.net}/unix: timeout: it takes too long to read"
    assert threading.active_count() == threads


def test_no_room_for_a_thread(tree: ProcfsTree) -> None:
    """That pass goes without the table, the next one is as ever."""
    reader = TableReader(TABLES["tcp"], tree.procfs(), make_rules())
    usual = threading.stack_size(1 << 48)  # more than there is to address, even where memory is overcommitted
    try:
        reading = reader.read((), PATIENCE_SECONDS)
    finally:
        threading.stack_size(usual)
    assert reading.count is None
    assert isinstance(reading.error, RuntimeError)
    assert reader.read((), PATIENCE_SECONDS).count is not None
