"""The kernel is read by one thread, once, at the cost that its own counters let expect."""

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.config.settings import AUTO, NETLINK, PROCFS
from exporter.kernel import states
from exporter.kernel.netlink import Reason, SockDiagError
from exporter.kernel.tables import TABLES, Detail, Table
from exporter.sampling.reading.guard import HangError
from exporter.sampling.reading.reader import KernelReader
from exporter.sampling.reading.sources import LARGE_ROWS, MEASURED_PASSES
from exporter.sampling.reading.walk import Observer, Reading
from tests.support.patience import PATIENCE_SECONDS
from tests.support.procfs_tree import Printed, ProcfsTree
from tests.support.sampling.netlink import BUSY, LATE, REFUSED, Diag, Netlink, OwnProcfs
from tests.support.sampling.odd_procfs import CountingProcfs, HangingProcfs

LISTENER = Diag(80, state=states.LISTEN, inode=1, receive=2, send=128)
TCP = TABLES["tcp"]


class OwnCountingProcfs(CountingProcfs, OwnProcfs):
    """Counts what is opened of what netlink shows as well."""

    def __init__(self, root: Path) -> None:
        CountingProcfs.__init__(self, root)


def no_observers(table: Table) -> Mapping[str, Observer]:
    """Return that nobody looks."""
    del table
    return {}


def walk(reader: KernelReader, *tables: str) -> Mapping[str, Reading]:
    """Walk tables once."""
    return reader.walk(tables, no_observers, PATIENCE_SECONDS, Detail.DROPS)


@pytest.fixture
def procfs(tree: ProcfsTree) -> OwnCountingProcfs:
    """Return a procfs that netlink shows as well, without any sockstat."""
    return OwnCountingProcfs(tree.root)


def test_every_table_is_read_in_the_order_asked_for(procfs: OwnCountingProcfs) -> None:
    readings = walk(KernelReader(procfs, PROCFS), "udp", "tcp6", "tcp")
    assert list(readings) == ["udp", "tcp6", "tcp"]
    assert [reading.observed is not None for reading in readings.values()] == [True, False, True]


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize(("rows", "expected"), [(LARGE_ROWS + 1, NETLINK), (5, PROCFS)])
def test_sockstat_tells_the_size_before_a_table_is_read(  # noqa: PLR0913, PLR0917 - its cases
    tree: ProcfsTree, procfs: OwnCountingProcfs, netlink: Netlink, protocol: str, rows: int, expected: str
) -> None:
    """So procfs is tried where there is little to read, and never at the first pass over a large table."""
    tree.write("sockstat", b"%b: inuse %d\n" % (protocol.encode(), rows))
    reader = KernelReader(procfs, AUTO)
    table = protocol.lower()
    first, *_, last = [walk(reader, table)[table].source for _ in range(MEASURED_PASSES + 1)]
    assert (first, last) == (NETLINK, expected)
    assert netlink.dumps == MEASURED_PASSES + (expected == NETLINK)
    assert procfs.opened[table] == (expected == PROCFS)


def test_time_wait_and_both_families_count(
    tree: ProcfsTree, procfs: OwnCountingProcfs, netlink: Netlink
) -> None:
    """The kernel keeps both in one hash: reading one costs what is in both."""
    del netlink
    tree.write("sockstat", b"TCP: inuse 700 tw 700\n")
    tree.write("sockstat6", b"TCP6: inuse 700\n")
    reader = KernelReader(procfs, AUTO)
    assert [NETLINK] * 3 == [walk(reader, "tcp")["tcp"].source for _ in range(3)]


def test_a_sockstat_that_hangs_costs_the_guess_only(
    tree: ProcfsTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the difference to it; the tables are read, and the thread that hangs is the only one."""
    monkeypatch.setattr("exporter.sampling.reading.sockstat.HANG_SECONDS", 0.1)
    with HangingProcfs(tree.root, "sockstat") as procfs:
        reader = KernelReader(procfs, AUTO)
        threads = set(threading.enumerate())
        for _ in range(50):
            for reading in walk(reader, "tcp", "udp").values():
                assert reading.observed is not None
                assert reading.sockstat_difference is None
            assert len(set(threading.enumerate()) - threads) == 2
        assert procfs.reads == 1


def test_changing_the_source_holds_from_the_next_walk_on(procfs: OwnCountingProcfs, netlink: Netlink) -> None:
    reader = KernelReader(procfs, PROCFS)
    assert walk(reader, "tcp")["tcp"].source == PROCFS
    reader.change_source(NETLINK)
    assert walk(reader, "tcp")["tcp"].source == NETLINK
    netlink.errors.append(REFUSED)
    assert walk(reader, "tcp")["tcp"].source == PROCFS
    reader.change_source(NETLINK)
    assert walk(reader, "tcp")["tcp"].source == PROCFS  # which is not forgotten where nothing was changed


def test_listeners_are_asked_for_apart(procfs: OwnCountingProcfs, netlink: Netlink) -> None:
    netlink.fill("tcp", LISTENER)
    netlink.errors.append(BUSY)
    (listener,) = KernelReader(procfs, PROCFS).read_listeners(TCP)
    assert (listener.port, listener.waiting, listener.limit) == (80, 2, 128)


def test_bound_sockets_are_asked_for_apart(procfs: OwnCountingProcfs, netlink: Netlink) -> None:
    netlink.bound = [Diag(40000, inode=5)]
    ((_, bound),) = KernelReader(procfs, PROCFS).read_bound([TCP], 1)
    assert bound.local_port == 40000


def test_netlink_that_is_refused_is_not_asked_again_soon(procfs: OwnCountingProcfs, netlink: Netlink) -> None:
    """Neither for the tables of the protocol."""
    reader = KernelReader(procfs, NETLINK)
    netlink.errors.append(REFUSED)
    with pytest.raises(SockDiagError, match="refused"):
        reader.read_listeners(TCP)
    with pytest.raises(SockDiagError, match="not available"):
        reader.read_bound([TCP], 1)
    assert walk(reader, "tcp", "udp")["tcp"].source == PROCFS
    assert netlink.dumps == 1


@pytest.mark.parametrize("errors", [(LATE,), (BUSY, BUSY)])
def test_a_listing_that_is_late_or_busy_does_not_cost_the_tables_their_source(
    procfs: OwnCountingProcfs, netlink: Netlink, errors: tuple[SockDiagError, ...]
) -> None:
    """Where there are a million sockets, procfs could not take netlink's place."""
    reader = KernelReader(procfs, NETLINK)
    netlink.errors.extend(errors)
    with pytest.raises(SockDiagError) as raised:
        reader.read_listeners(TCP)
    assert raised.value.reason is errors[-1].reason is not Reason.UNAVAILABLE
    assert walk(reader, "tcp")["tcp"].source == NETLINK


def test_listeners_of_another_namespace_are_not_asked_for(tree: ProcfsTree, netlink: Netlink) -> None:
    netlink.fill("tcp", LISTENER)
    with pytest.raises(SockDiagError, match="not available"):
        KernelReader(tree.procfs(), NETLINK).read_listeners(TCP)


def test_a_read_that_hangs_costs_itself_only(tree: ProcfsTree) -> None:
    with HangingProcfs(tree.root, "netstat") as procfs:
        reader = KernelReader(procfs, PROCFS)
        with pytest.raises(HangError):
            reader.read("netstat", lambda of: of.read_net("netstat"), 0.01)
        assert walk(reader, "tcp")["tcp"].observed is not None


def test_cpu_time_is_that_of_all_reads(tree: ProcfsTree) -> None:
    tree.fill("tcp", *(Printed(80, 1, peer=i) for i in range(20_000)))
    reader = KernelReader(tree.procfs(), PROCFS)
    assert reader.cpu_seconds == 0
    walk(reader, "tcp")
    assert 0.001 < reader.cpu_seconds < PATIENCE_SECONDS


@pytest.mark.parametrize("source", [NETLINK, PROCFS])
def test_table_that_is_empty_by_the_kernels_count_is_not_read(
    tree: ProcfsTree, procfs: OwnCountingProcfs, netlink: Netlink, source: str
) -> None:
    tree.write("sockstat", b"UDP: inuse 0\n")
    reader = KernelReader(procfs, source)
    reading = walk(reader, "udp")["udp"]
    assert (source, 0) == (reading.source, reading.sockstat_difference)
    assert reading.observed is not None
    assert (0, 0) == (netlink.dumps, procfs.opened["udp"])
    tree.write("sockstat", b"UDP: inuse 1\n")
    reader.sockstat.read()
    walk(reader, "udp")
    assert 1 == netlink.dumps + procfs.opened["udp"]
