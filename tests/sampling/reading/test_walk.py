"""Whatever becomes of a table is a value: seen, absent or an error, in time, by either source."""

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from exporter.config.settings import AUTO, NETLINK, PROCFS
from exporter.kernel import states
from exporter.kernel.netlink import SockDiagError
from exporter.kernel.procfs import Procfs, ProcfsError, ProcfsTimeoutError
from exporter.kernel.procnet import ProcnetError
from exporter.kernel.rows import Rows
from exporter.kernel.tables import TABLES, Detail, Table
from exporter.sampling.reading import walk as walk_module
from exporter.sampling.reading.guard import Guard, HangError
from exporter.sampling.reading.sockstat import Sockstat
from exporter.sampling.reading.sources import SourceChoice
from exporter.sampling.reading.walk import READ_ERRORS, Observer, Reading, Totals, Walk
from tests.support.patience import PATIENCE_SECONDS, wait_until
from tests.support.procfs_tree import CAPTURED, Printed, ProcfsTree, open_files
from tests.support.sampling.host import lay_out_connections
from tests.support.sampling.netlink import BUSY, LATE, REFUSED, Diag, Netlink
from tests.support.sampling.odd_procfs import FailingProcfs, HangingProcfs

LISTED = (
    Diag(80, state=states.LISTEN, inode=1, receive=2, send=128),
    Diag(80, state=states.LISTEN, inode=2, receive=1, send=8),
)


class Ports:
    """Collects the local ports of what it sees."""

    def __init__(self) -> None:
        self.ports: list[int] = []

    def observe(self, rows: Rows) -> None:
        """Look at some rows."""
        self.ports += [listener.port for listener in rows.listeners]
        self.ports += [local for _, local, _, _ in rows.unpack()]


def watch_ports(table: Table) -> Mapping[str, Observer]:
    """Return what collects ports."""
    del table
    return {"ports": Ports()}


class Reader:
    """Walks tables again and again, as a KernelReader does."""

    def __init__(self, procfs: Procfs, wanted: str = PROCFS, *, reachable: bool = False) -> None:
        self.choice = SourceChoice(wanted, reachable=reachable)
        self.present: set[str] = set()
        self.guard = Guard()
        self.procfs = procfs

    def read_all(
        self,
        *tables: str,
        seconds: float = PATIENCE_SECONDS,
        make: walk_module.MakeObservers = watch_ports,
        rows: int | None = 1,
    ) -> Mapping[str, Reading]:
        """Walk some tables once."""
        sockstat = Sockstat(self.procfs, self.guard)
        walk = Walk(self.procfs, self.guard, sockstat, self.present, make, seconds, Detail.NONE)
        return walk.run([TABLES[name] for name in tables], self.choice, rows)

    def read(self, table: str = "tcp", seconds: float = PATIENCE_SECONDS) -> Reading:
        """Walk one table once."""
        return self.read_all(table, seconds=seconds)[table]


@pytest.fixture
def tree(tmp_path: Path) -> ProcfsTree:
    """Lay out a procfs with a listener and two connections of port 80, and without IPv6."""
    return lay_out_connections(tmp_path)


def ports_of(reading: Reading) -> list[int]:
    """Return the local ports that were seen."""
    assert reading.observed is not None
    observer = reading.observed.observers["ports"]
    assert isinstance(observer, Ports)
    return observer.ports


def test_rows_are_observed_and_counted(tree: ProcfsTree) -> None:
    reading = Reader(tree.procfs()).read()
    assert ports_of(reading) == [80, 80, 80]
    assert reading.observed is not None
    assert reading.observed.totals == Totals(listed=3, minisockets=1)
    assert (reading.source, reading.error, reading.fallback_reason) == (PROCFS, None, None)
    assert 0 < reading.duration_seconds < PATIENCE_SECONDS


def test_a_table_that_was_there_and_is_gone_is_an_error(tree: ProcfsTree) -> None:
    reader = Reader(tree.procfs())
    assert reader.read("udp").error is None
    (tree.net / "udp").unlink()
    assert str(reader.read("udp").error) == "udp: the table is gone"


@pytest.mark.parametrize("wanted", [PROCFS, NETLINK])
def test_missing_table_is_no_error(tree: ProcfsTree, netlink: Netlink, wanted: str) -> None:
    """Netlink would give an empty one where IPv6 is switched off."""
    netlink.fill("tcp", *LISTED)
    readings = Reader(tree.procfs(), wanted, reachable=True).read_all("tcp", "tcp6")
    assert ports_of(readings["tcp"])
    assert (readings["tcp6"].observed, readings["tcp6"].error) == (None, None)


def test_a_table_that_is_gone_is_an_error_over_netlink(tree: ProcfsTree, netlink: Netlink) -> None:
    netlink.fill("tcp", *LISTED)
    reader = Reader(tree.procfs(), NETLINK, reachable=True)
    reader.read()
    (tree.net / "tcp").unlink()
    assert isinstance(reader.read().error, ProcfsError)


def test_empty_file_is_an_error(tree: ProcfsTree) -> None:
    tree.write("tcp", b"")
    reading = Reader(tree.procfs()).read()
    assert reading.observed is None
    assert isinstance(reading.error, ProcnetError)


@pytest.mark.parametrize(
    ("sockstat", "expected"),
    [(b"TCP: inuse 2 orphan 0\n", 0), (b"TCP: inuse 5\n", -3), (b"UDP: inuse 5\n", None), (b"", None)],
)
def test_difference_to_sockstat(tree: ProcfsTree, sockstat: bytes, expected: int | None) -> None:
    """Of three sockets one is in TIME_WAIT, which sockstat does not count."""
    tree.write("sockstat", sockstat)
    assert expected == Reader(tree.procfs()).read().sockstat_difference


@pytest.mark.parametrize("table", [name for name in TABLES if name != "unix"])
def test_captured_tables_agree_with_sockstat(table: str) -> None:
    assert Reader(Procfs(str(CAPTURED))).read(table).sockstat_difference == 0


def test_unix_sockets_are_in_no_sockstat() -> None:
    reading = Reader(Procfs(str(CAPTURED))).read("unix")
    assert reading.observed is not None
    assert reading.sockstat_difference is None


def test_unreadable_sockstat_costs_the_difference_only(tree: ProcfsTree) -> None:
    """What the table says is not in doubt."""
    tree.make_fifo("sockstat")
    reading = Reader(tree.procfs()).read()
    assert ports_of(reading) == [80, 80, 80]
    assert (reading.error, reading.sockstat_difference) == (None, None)


@pytest.mark.parametrize("error", [ProcfsError("gone"), MemoryError(), ZeroDivisionError("a bug")])
def test_nothing_is_half_seen(tree: ProcfsTree, error: Exception) -> None:
    """An error after the first block leaves nothing, and the next walk has observers of its own."""
    procfs = FailingProcfs(tree.root, "tcp", error)
    reader = Reader(procfs)
    failed = reader.read()
    assert (failed.observed, failed.sockstat_difference, failed.error) == (None, None, error)
    procfs.error = None
    assert ports_of(reader.read()) == [80, 80, 80]


def test_bug_in_an_observer_ends_at_its_table_and_leaves_nothing_open(tree: ProcfsTree) -> None:
    """Where an observer fails at once, the table that was opened for it is closed."""

    def make(table: Table) -> Mapping[str, Observer]:
        raise ZeroDivisionError(table.name)

    reader, before = Reader(tree.procfs()), open_files()
    for _ in range(3):
        readings = reader.read_all("udp", make=make)
        assert isinstance(readings["udp"].error, ZeroDivisionError)
    assert before == open_files()


def test_table_that_is_none_is_closed(tree: ProcfsTree) -> None:
    """At once, although the error still knows what was being read."""
    tree.write("tcp", b"no table\n")
    before = open_files()
    reading = Reader(tree.procfs()).read()
    assert before == open_files()
    assert reading.error is not None


def test_table_that_takes_too_long(tree: ProcfsTree) -> None:
    """Reading ends at the deadline, without a thread that is left behind."""
    lines = [b"Inode Path".ljust(63), *[b"row".ljust(63)] * 9000]
    tree.write("unix", b"\n".join(lines))
    reader = Reader(tree.procfs())
    reader.read("tcp")
    threads = set(threading.enumerate())
    reading = reader.read("unix", 0.0)
    assert reading.observed is None
    assert str(reading.error) == f"{tree.net}/unix: timeout: it takes too long to read"
    assert not set(threading.enumerate()) - threads


@pytest.fixture
def hanging(tree: ProcfsTree, monkeypatch: pytest.MonkeyPatch) -> Iterator[HangingProcfs]:
    """Hang in the table ``tcp`` until the end of the test, and wait for it no longer than is said."""
    monkeypatch.setattr(walk_module, "HANG_GRACE_SECONDS", 0.0)
    with HangingProcfs(tree.root, "tcp") as procfs:
        yield procfs


def test_hanging_table_is_given_up_and_read_again_when_it_is_over(hanging: HangingProcfs) -> None:
    reader = Reader(hanging)
    for _ in range(20):
        reading = reader.read("tcp", 0.01)
        assert (reading.observed, str(reading.error)) == (None, "timeout: the read hangs")
    assert hanging.reads == 1
    hanging.release.set()
    wait_until(lambda: reader.read("tcp").observed is not None)


def test_late_reading_is_dropped(hanging: HangingProcfs, tree: ProcfsTree) -> None:
    """What a read that hung brings in the end is of another time, and of observers that nobody asks."""
    reader = Reader(hanging)
    assert isinstance(reader.read("tcp", 0.01).error, HangError)
    hanging.release.set()
    wait_until(lambda: not reader.guard.is_hanging("table tcp"))
    tree.fill("tcp", Printed(443, state=states.LISTEN))
    assert ports_of(reader.read("tcp")) == [443]


@pytest.fixture
def dump(tree: ProcfsTree, netlink: Netlink) -> Callable[..., list[Reading]]:
    """Read the table twice over netlink, which fails so before it answers."""
    netlink.fill("tcp", *LISTED)

    def read_twice(*errors: SockDiagError) -> list[Reading]:
        netlink.errors.extend(errors)
        reader = Reader(tree.procfs(), NETLINK, reachable=True)
        readings = [reader.read() for _ in range(2)]
        assert not netlink.errors
        return readings

    return read_twice


def test_netlink_that_is_busy_is_asked_once_more(dump: Callable[..., list[Reading]]) -> None:
    for reading in dump(BUSY):
        assert (reading.source, reading.error, reading.fallback_reason) == (NETLINK, None, None)
        assert ports_of(reading) == [80, 80]


@pytest.mark.parametrize("errors", [(REFUSED,), (BUSY, REFUSED), (BUSY, BUSY)])
def test_procfs_takes_the_place_of_netlink_that_fails(
    dump: Callable[..., list[Reading]], errors: tuple[SockDiagError, ...]
) -> None:
    """The error is told, and netlink is let alone for a while."""
    first, second = dump(*errors)
    assert (first.fallback_reason, second.fallback_reason) == (errors[-1], None)
    for reading in (first, second):
        assert (reading.source, reading.error) == (PROCFS, None)
        assert ports_of(reading) == [80, 80, 80]


def test_a_table_that_netlink_cannot_give_in_time_fails(dump: Callable[..., list[Reading]]) -> None:
    """Over procfs it would take longer still; netlink is asked again at the next pass."""
    late, well = dump(LATE)
    assert (late.observed, late.error, late.source) == (None, LATE, NETLINK)
    assert (well.error, well.source) == (None, NETLINK)


def test_netlink_takes_the_place_of_procfs_that_is_denied(tree: ProcfsTree, netlink: Netlink) -> None:
    """Table by table, and procfs is let alone for a while."""
    netlink.fill("udp", Diag(53, state=states.CLOSE, inode=3))
    tree.remove("udp").symlink_to("/proc/self/mem")
    reader = Reader(tree.procfs(), PROCFS, reachable=True)
    first, second = reader.read("udp"), reader.read("udp")
    assert isinstance(first.fallback_reason, ProcfsError)
    assert second.fallback_reason is None
    for reading in (first, second):
        assert (reading.source, reading.error) == (NETLINK, None)
        assert ports_of(reading) == [53]


@pytest.mark.parametrize(("wanted", "other"), [(PROCFS, NETLINK), (NETLINK, PROCFS)])
def test_where_both_fail_both_errors_are_reported(
    tree: ProcfsTree, netlink: Netlink, wanted: str, other: str
) -> None:
    """Mending either is enough, and which one can be mended is not known here."""
    tree.make_fifo("udp")
    netlink.errors.append(REFUSED)
    reading = Reader(tree.procfs(), wanted, reachable=True).read("udp")
    assert (reading.observed, reading.source, reading.fallback_reason) == (None, wanted, None)
    assert isinstance(reading.error, READ_ERRORS)
    reasons = {NETLINK: str(REFUSED), PROCFS: f"{tree.procfs().net_directory}/udp: not a regular file"}
    assert str(reading.error) == f"{wanted}: {reasons[wanted]}; {other}: {reasons[other]}"


def test_bug_that_only_the_other_source_meets_is_reported_itself(tree: ProcfsTree, netlink: Netlink) -> None:
    """Its traceback is logged, which an error of the kernel would hide."""
    tree.make_fifo("tcp")
    netlink.fill("tcp", *LISTED)

    class Broken:
        """Fails when it sees rows."""

        def observe(self, rows: Rows) -> None:
            """Fail."""
            raise ZeroDivisionError(rows.listed)

    reader = Reader(tree.procfs(), PROCFS, reachable=True)
    reading = reader.read_all("tcp", make=lambda _: {"broken": Broken()})["tcp"]
    assert (reading.observed, reading.source) == (None, NETLINK)
    assert isinstance(reading.error, ZeroDivisionError)
    assert isinstance(reading.fallback_reason, ProcfsError)


def test_a_table_that_procfs_cannot_give_in_time_is_asked_for_over_netlink(
    tree: ProcfsTree, netlink: Netlink
) -> None:
    """A small deadline is over after the first block of a large table."""
    tree.fill("tcp", *(Printed(i, 9, peer=1) for i in range(1, 10_000)))
    netlink.fill("tcp", *LISTED)
    reading = Reader(tree.procfs(), PROCFS, reachable=True).read("tcp", 0.0)
    assert reading.source == NETLINK
    assert isinstance(reading.fallback_reason, ProcfsTimeoutError)


def test_the_table_of_another_namespace_is_never_asked_for_over_netlink(
    tree: ProcfsTree, netlink: Netlink
) -> None:
    """However often procfs fails: it would be the sockets of another host that are shown."""
    netlink.fill("tcp", *LISTED)
    tree.make_fifo("tcp")
    reader = Reader(tree.procfs(), AUTO, reachable=False)
    for _ in range(3):
        assert reader.read().observed is None
    assert netlink.dumps == 0


def test_both_tables_of_tcp_come_in_one_dump(tree: ProcfsTree, netlink: Netlink) -> None:
    tree.fill("tcp6")
    netlink.fill("tcp", *LISTED)
    netlink.fill("tcp6", Diag(443, state=states.LISTEN, inode=9))
    readings = Reader(tree.procfs(), NETLINK, reachable=True).read_all("tcp", "tcp6")
    assert (ports_of(readings["tcp"]), ports_of(readings["tcp6"])) == ([80, 80], [443])
    assert netlink.dumps == 1


def test_a_large_table_is_asked_for_over_netlink_from_the_first_pass_on(
    tree: ProcfsTree, netlink: Netlink
) -> None:
    """Also where it is not known how large it is."""
    for rows in (None, 100_000):
        reader = Reader(tree.procfs(), AUTO, reachable=True)
        assert reader.read_all("tcp", rows=rows)["tcp"].source == NETLINK
    assert netlink.dumps == 2


def test_what_hung_adds_nothing_to_later_passes(hanging: HangingProcfs, netlink: Netlink) -> None:
    """Its rows are those of another time; the next walk has observers that nobody else has."""
    netlink.fill("tcp", *LISTED)
    reader = Reader(hanging, PROCFS, reachable=True)

    def release_meanwhile() -> None:
        hanging.release.set()
        wait_until(lambda: not reader.guard.is_hanging("table tcp"))

    netlink.before_dump = release_meanwhile
    reading = reader.read("tcp", 0.05)
    assert isinstance(reading.fallback_reason, HangError) or reading.source == NETLINK
    assert ports_of(reading) == [80, 80]
