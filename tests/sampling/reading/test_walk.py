"""The tables of a protocol are read by the source of choice, and over procfs where netlink fails."""

import threading
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from exporter.kernel.netlink import Reason, SockDiagError
from exporter.kernel.procfs import ProcfsTimeoutError
from exporter.kernel.rows import Batch, Listener
from exporter.kernel.tables import Table
from exporter.sampling import protocol as protocol_module
from exporter.sampling import reader as reader_module
from exporter.sampling.protocol import ProtocolReader
from exporter.sampling.reader import Reading
from exporter.sampling.sources import AUTO, NETLINK, PROCFS, SourceChoice
from exporter.sampling.worker import HangError
from tests.support.procfs_tree import Printed, ProcfsTree
from tests.support.sampling.odd_procfs import HangingProcfs
from tests.support.sampling.port_rules import make_rules
from tests.support.sampling.watched import lay_out_connections

PATIENCE_SECONDS = 30.0


@pytest.fixture
def tree(tmp_path: Path) -> ProcfsTree:
    """Lay out a procfs with a listener and two connections of port 80, and without IPv6."""
    return lay_out_connections(tmp_path)


class Netlink:
    """Stands for the kernel's answers to the dumps of a table, one after the other."""

    def __init__(self, *answers: SockDiagError | Batch) -> None:
        self.answers = list(answers)

    def read_tables(
        self, tables: Sequence[Table], deadline: float
    ) -> Generator[tuple[Table, Batch], None, None]:
        """Give the next answer, as that of every table."""
        del deadline
        answer = self.answers.pop(0)
        if isinstance(answer, SockDiagError):
            raise answer
        for table in tables:
            yield table, answer

    def read_listeners(self, table: Table, deadline: float) -> tuple[Listener, ...]:
        """Give the next answer's listeners."""
        return tuple(one for _, batch in self.read_tables([table], deadline) for one in batch.listeners)


LISTED = Batch([Listener(80, 2, 128), Listener(80, 1, 8)], [], 2)
REFUSED = SockDiagError(Reason.UNAVAILABLE, "refused")
BUSY = SockDiagError(Reason.TRANSIENT, "busy")
LATE = SockDiagError(Reason.TIMEOUT, "late")


@pytest.fixture
def dump(tree: ProcfsTree, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Reading]]:
    """Read the table over netlink, so many times as there are answers to give."""

    def read_twice(*answers: SockDiagError | Batch, wanted: str = NETLINK) -> list[Reading]:
        netlink = Netlink(*answers)
        monkeypatch.setattr(protocol_module, "read_tables", netlink.read_tables)
        monkeypatch.setattr(protocol_module, "read_listeners", netlink.read_listeners)
        choice = SourceChoice(wanted, reachable=True)
        reader = ProtocolReader(tree.procfs(), make_rules(), choice)
        readings = [reader.read({"tcp": ()}, PATIENCE_SECONDS)["tcp"] for _ in range(2)]
        assert netlink.answers == []
        return readings

    return read_twice


def test_netlink_that_is_busy_is_asked_once_more(dump: Callable[..., list[Reading]]) -> None:
    for reading in dump(BUSY, LISTED, LISTED):
        assert reading.source == NETLINK
        assert reading.count is not None
        assert (reading.count.listed, reading.netlink_error) == (2, None)
        assert (reading.count.accept_queues, reading.count.accept_queue_limits) == ({80: 3}, {80: 136})


@pytest.mark.parametrize("answers", [(REFUSED,), (BUSY, REFUSED), (BUSY, BUSY)])
def test_procfs_takes_the_place_of_netlink_that_fails(
    dump: Callable[..., list[Reading]], answers: tuple[SockDiagError, ...]
) -> None:
    """The error is told, and netlink is let alone for a while."""
    first, second = dump(*answers)
    assert first.netlink_error is answers[-1]
    assert second.netlink_error is None
    for reading in (first, second):
        assert (reading.source, reading.error) == (PROCFS, None)
        assert reading.count is not None
        assert reading.count.listed == 3


def test_a_table_that_netlink_cannot_give_in_time_fails(dump: Callable[..., list[Reading]]) -> None:
    """Over procfs it would take longer still; netlink is asked again at the next pass."""
    late, well = dump(LATE, LISTED)
    assert (late.count, late.error, late.source) == (None, LATE, NETLINK)
    assert (well.error, well.source) == (None, NETLINK)


def test_a_table_that_procfs_cannot_give_in_time_is_asked_for_over_netlink(
    tree: ProcfsTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small deadline is over after the first block of a large table."""
    tree.fill("tcp", *(Printed(i, 9, peer=1) for i in range(1, 10_000)))
    monkeypatch.setattr(protocol_module, "read_tables", Netlink(LISTED).read_tables)
    reader = ProtocolReader(tree.procfs(), make_rules(), SourceChoice(AUTO, reachable=True))
    slow = reader.read({"tcp": ()}, 0.0)["tcp"]
    assert isinstance(slow.error, ProcfsTimeoutError)
    assert reader.read({"tcp": ()}, PATIENCE_SECONDS)["tcp"].source == NETLINK


def test_limits_of_accept_queues_are_asked_for_beside_procfs(dump: Callable[..., list[Reading]]) -> None:
    first, second = dump(LISTED, REFUSED, wanted=PROCFS)
    assert first.count is not None
    assert second.count is not None
    assert (first.source, first.count.accept_queue_limits) == (PROCFS, {80: 136})
    assert (second.netlink_error, second.count.accept_queue_limits) == (REFUSED, {})


def test_a_table_that_is_not_there_is_no_error_over_netlink(
    tree: ProcfsTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Netlink would give an empty one where IPv6 is switched off."""
    monkeypatch.setattr(protocol_module, "read_tables", Netlink(LISTED).read_tables)
    reader = ProtocolReader(tree.procfs(), make_rules(), SourceChoice(NETLINK, reachable=True))
    readings = reader.read({"tcp": (), "tcp6": ()}, PATIENCE_SECONDS)
    assert readings["tcp"].count is not None
    assert (readings["tcp6"].count, readings["tcp6"].error) == (None, None)


def test_a_bug_in_counting_ends_at_the_protocol(dump: Callable[..., list[Reading]]) -> None:
    """A batch that is none is a bug like any other."""
    broken = Batch([], [(1, 2)], 1)  # type: ignore[list-item]
    for reading in dump(broken, broken):
        assert reading.count is None
        assert isinstance(reading.error, ValueError)


def test_what_hung_adds_nothing_to_later_passes(tree: ProcfsTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are those of another time; the next pass counts with a counter that nobody else has."""
    hanging = HangingProcfs(tree.root, "tcp")
    reader = ProtocolReader(hanging, make_rules(), SourceChoice(AUTO, reachable=True))
    monkeypatch.setattr(reader_module, "HANG_GRACE_SECONDS", 0.0)
    assert isinstance(reader.read({"tcp": ()}, 0.01)["tcp"].error, HangError)

    def release_meanwhile(
        tables: Sequence[Table], deadline: float
    ) -> Generator[tuple[Table, Batch], None, None]:
        hanging.release.set()
        for thread in threading.enumerate():
            if thread.daemon and thread is not threading.current_thread():
                thread.join(0.2)
        yield from Netlink(LISTED).read_tables(tables, deadline)

    monkeypatch.setattr(protocol_module, "read_tables", release_meanwhile)
    reading = reader.read({"tcp": ()}, PATIENCE_SECONDS)["tcp"]
    assert reading.source == NETLINK
    assert reading.count is not None
    assert reading.count.listed == 2
