"""A table that fails costs itself only, and is told of once."""

import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.kernel import states
from exporter.sampling.sampler import Sampler
from tests.support.procfs_tree import Printed, ProcfsTree, open_files, print_row
from tests.support.sampling.odd_procfs import FailingProcfs, HangingProcfs
from tests.support.sampling.watched import SETTINGS, sockets_of, status_of

PATIENCE_SECONDS = 30.0

Logs = list[MutableMapping[str, object]]


@pytest.fixture
def logs() -> Iterator[Logs]:
    """Return what is logged."""
    with capture_logs() as captured:
        yield captured


def test_missing_family_is_absent_and_no_failure(sampler: Sampler, logs: Logs) -> None:
    snapshot = sampler.take_snapshot()
    assert status_of(snapshot, "tcp6").success
    assert {key.family for key in snapshot.sockets} == {"ipv4"}
    assert not logs


def break_with_nothing(tree: ProcfsTree) -> None:
    """Leave a file of 0 bytes."""
    tree.write("udp", b"")


def break_with_fifo(tree: ProcfsTree) -> None:
    """Leave a pipe."""
    tree.make_fifo("udp")


def break_with_directory(tree: ProcfsTree) -> None:
    """Leave a directory."""
    tree.remove("udp").mkdir()


def break_with_error(tree: ProcfsTree) -> None:
    """Leave a file that cannot be read."""
    tree.remove("udp").symlink_to("/proc/self/mem")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_with_nothing, "no header"),
        (break_with_fifo, "/self/net/udp: not a regular file"),
        (break_with_directory, "/self/net/udp: not a regular file"),
        (break_with_error, "/self/net/udp: Input/output error"),
    ],
)
def test_failed_table(
    sampler: Sampler, tree: ProcfsTree, logs: Logs, damage: Callable[[ProcfsTree], None], message: str
) -> None:
    """What it had is not shown, the others are, and it is logged once, and once more when it is well."""
    whole = sampler.take_snapshot()
    damage(tree)
    for number in (1, 2, 3):
        partial = sampler.take_snapshot()
        assert (status_of(partial, "udp").success, status_of(partial, "udp").rows) == (False, 0)
        assert not sockets_of(partial, "udp")
        assert "udp" not in {key.protocol for key in partial.sockets}
        assert "udp" not in {key.protocol for key in partial.receive_queue_bytes}
        assert sockets_of(partial, "tcp") == sockets_of(whole, "tcp")
        assert partial.passes_total == {"success": 1, "partial": number, "failure": 0}
    tree.fill("udp", Printed(53, state=states.CLOSE))
    for _ in range(2):
        assert sockets_of(sampler.take_snapshot(), "udp") == sockets_of(whole, "udp")
    failed, well = logs
    assert (failed["event"], failed["table"], failed["exc_info"]) == ("table cannot be read", "udp", None)
    assert message in str(failed["error"])
    assert (well["event"], well["table"], well["log_level"]) == ("table can be read again", "udp", "info")


def test_another_error_is_logged_too(sampler: Sampler, tree: ProcfsTree, logs: Logs) -> None:
    break_with_nothing(tree)
    sampler.take_snapshot()
    break_with_fifo(tree)
    sampler.take_snapshot()
    assert [entry["event"] for entry in logs] == ["table cannot be read"] * 2


@pytest.mark.parametrize("bug", [ZeroDivisionError("division by zero"), MemoryError()])
def test_bug_costs_its_table_and_one_trace(tree: ProcfsTree, logs: Logs, bug: Exception) -> None:
    """One without a message is known by its kind."""
    sampler = Sampler(FailingProcfs(tree.root, "udp", bug), SETTINGS)
    for _ in range(3):
        snapshot = sampler.take_snapshot()
        assert not status_of(snapshot, "udp").success
        assert sockets_of(snapshot, "tcp")
    (entry,) = logs
    assert entry["exc_info"] is bug
    assert entry["error"] == (str(bug) or "MemoryError()")


def test_every_table_fails_where_the_namespace_is_gone(
    sampler: Sampler, tree: ProcfsTree, tmp_path: Path
) -> None:
    """A table that never was there is not read either."""
    tree.net.rename(tmp_path / "elsewhere")
    snapshot = sampler.take_snapshot()
    assert not any(status.success for status in snapshot.tables)
    assert snapshot.sockets == {}
    assert snapshot.passes_total == {"success": 0, "partial": 0, "failure": 1}


def test_malformed_and_repeated_rows_add_up(sampler: Sampler, tree: ProcfsTree) -> None:
    """Over passes; a table that fails in between keeps its totals."""
    row = print_row("tcp", Printed(80, 1))
    tree.write("tcp", tree.net.joinpath("tcp").read_bytes() + b"junk\n" + row + b"cut")
    for passes in (1, 2):
        status = status_of(sampler.take_snapshot(), "tcp")
        assert (status.success, status.rows) == (True, 5)
        assert (status.malformed_rows_total, status.repeated_rows_total) == (2 * passes, passes)
    tree.write("tcp", b"")
    status = status_of(sampler.take_snapshot(), "tcp")
    assert (status.malformed_rows_total, status.repeated_rows_total) == (4, 2)


def test_pipe_costs_neither_threads_nor_files(sampler: Sampler, tree: ProcfsTree) -> None:
    break_with_fifo(tree)
    sampler.take_snapshot()
    threads, files = threading.active_count(), open_files()
    for _ in range(1000):
        sampler.take_snapshot()
    assert (threads, files) == (threading.active_count(), open_files())


def test_hanging_table_costs_one_thread(tree: ProcfsTree, logs: Logs) -> None:
    """However often the pass is repeated, and the settings are changed meanwhile."""
    with HangingProcfs(tree.root, "udp") as procfs:
        settings = replace(SETTINGS, timeout_seconds=4)  # only once waited for, and enough for the others
        sampler = Sampler(procfs, settings)
        threads = threading.active_count()
        for limit in range(1, 200):
            snapshot = sampler.take_snapshot()
            assert not status_of(snapshot, "udp").success
            assert sockets_of(snapshot, "tcp")
            assert threading.active_count() == threads + 1
            sampler.change_settings(replace(settings, ports_limit=limit))
    assert procfs.reads == 1
    assert ["table cannot be read"] == [entry["event"] for entry in logs]
    patience = time.monotonic() + PATIENCE_SECONDS
    while not status_of(sampler.take_snapshot(), "udp").success:
        assert time.monotonic() < patience
