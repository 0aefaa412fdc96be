"""What fails costs itself only, shows in a metric, and is logged once."""

import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.config.settings import Owners as OwnersSettings
from exporter.kernel import states
from exporter.kernel.rows import Rows
from exporter.kernel.tables import Table
from exporter.sampling.collectors import COLLECTORS
from exporter.sampling.collectors.collector import Pass, Plan
from exporter.sampling.collectors.queues import Queues
from exporter.sampling.labels import Samples
from exporter.sampling.reading import reader as reader_module
from exporter.sampling.reading import walk as walk_module
from exporter.sampling.reading.walk import Observer
from exporter.sampling.sampler import Sampler
from exporter.sampling.services.counting import TableCounter
from exporter.sampling.snapshot import Snapshot
from tests.support.patience import wait_until
from tests.support.procfs_tree import Printed, ProcfsTree, open_files, print_row
from tests.support.sampling.host import (
    PORT_RANGE,
    Host,
    all_sockets,
    collector_of,
    listening,
    passes_of,
    sockets_of,
    status_of,
)
from tests.support.sampling.netlink import REFUSED, Diag, Netlink, OwnProcfs
from tests.support.sampling.odd_procfs import FailingProcfs, HangingProcfs
from tests.support.sampling.settings import NAMES, SETTINGS

Logs = list[MutableMapping[str, object]]


@pytest.fixture
def logs() -> Iterator[Logs]:
    """Return what is logged."""
    with capture_logs() as captured:
        yield captured


def success_of(snapshot: Snapshot, kind: str) -> dict[str, float]:
    """Return what the page says of the success of tables or collectors."""
    return {
        labels[0]: value for labels, value in snapshot.samples[f"netstat_exporter_{kind}_success"].items()
    }


def failed(snapshot: Snapshot, kind: str) -> set[str]:
    """Return the tables or collectors that failed."""
    return {name for name, value in success_of(snapshot, kind).items() if not value}


def test_missing_family_is_absent_and_no_failure(sampler: Sampler, logs: Logs) -> None:
    snapshot = sampler.take_snapshot()
    assert status_of(snapshot, "tcp6").error == ""
    assert {key.family for key in all_sockets(snapshot)} == {"ipv4"}
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
    failing_seconds = -1.0
    for number in (1, 2, 3):
        partial = sampler.take_snapshot()
        since, failing_seconds = failing_seconds, status_of(partial, "udp").failing_seconds or 0.0
        assert since < failing_seconds or number == 1
        assert (failed(partial, "table"), status_of(partial, "udp").rows) == ({"udp"}, 0)
        for name, samples in partial.samples.items():
            assert name.startswith("netstat_exporter") or not [key for key in samples if "udp" in key]
        assert sockets_of(partial, "tcp") == sockets_of(whole, "tcp")
        assert passes_of(partial) == {"success": 1, "partial": number, "failure": 0}
    tree.fill("udp", Printed(53, state=states.CLOSE))
    for _ in range(2):
        again = sampler.take_snapshot()
        assert sockets_of(again, "udp") == sockets_of(whole, "udp")
        assert status_of(again, "udp").failing_seconds is None
    first, well = logs
    assert (first["event"], first["table"], first["exc_info"]) == ("table failed", "udp", None)
    assert message in str(first["error"])
    assert (well["event"], well["table"], well["log_level"]) == ("table recovered", "udp", "info")


def test_another_error_is_logged_too(sampler: Sampler, tree: ProcfsTree, logs: Logs) -> None:
    break_with_nothing(tree)
    sampler.take_snapshot()
    break_with_fifo(tree)
    sampler.take_snapshot()
    assert [entry["event"] for entry in logs] == ["table failed"] * 2


@pytest.mark.parametrize("bug", [ZeroDivisionError("division by zero"), MemoryError()])
def test_bug_costs_its_table_and_one_trace(tree: ProcfsTree, logs: Logs, bug: Exception) -> None:
    """One without a message is known by its kind."""
    sampler = Sampler(FailingProcfs(tree.root, "udp", bug), SETTINGS, NAMES)
    for _ in range(3):
        snapshot = sampler.take_snapshot()
        assert failed(snapshot, "table") == {"udp"}
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
    assert failed(snapshot, "table") == set(SETTINGS.tables)
    assert all_sockets(snapshot) == {}
    assert passes_of(snapshot) == {"success": 0, "partial": 0, "failure": 1}


def test_malformed_and_repeated_rows_add_up(sampler: Sampler, tree: ProcfsTree) -> None:
    """Over passes; a table that fails in between keeps its totals."""
    row = print_row("tcp", Printed(80, 1))
    tree.write("tcp", tree.net.joinpath("tcp").read_bytes() + b"junk\n" + row + b"cut")

    def totals(snapshot: Snapshot) -> tuple[float, float]:
        samples = snapshot.samples
        malformed = samples["netstat_exporter_malformed_rows_total"]
        return malformed["tcp",], samples["netstat_exporter_repeated_rows_total"]["tcp",]

    for passes in (1, 2):
        snapshot = sampler.take_snapshot()
        assert status_of(snapshot, "tcp").rows == 5
        assert totals(snapshot) == (2 * passes, passes)
    tree.write("tcp", b"")
    assert totals(sampler.take_snapshot()) == (4, 2)


@pytest.mark.parametrize(
    ("name", "costs", "collectors"),
    [
        (
            "sockstat",
            "time_wait alloc mem orphan sockstat",
            {"limits", "memory"},
        ),
        ("netstat", "netstat_listen_", {"limits"}),
        ("sys/net/ipv4/tcp_mem", "memory", {"limits", "memory"}),
        ("sys/net/ipv4/ip_local_port_range", "ephemeral_ports", {"ephemeral_ports"}),
        ("sys/net/ipv4/tcp_tw_reuse", "ephemeral_ports", {"ephemeral_ports"}),
    ],
)
def test_a_pipe_in_a_files_place_costs_what_it_says_only(
    host: Host, logs: Logs, name: str, costs: str, collectors: set[str]
) -> None:
    """It is visible to Prometheus, and logged once."""
    host.tree.write("sockstat", b"TCP: inuse 5 orphan 1 tw 2 alloc 9 mem 3\n")
    host.tree.write("netstat", b"TcpExt: ListenDrops ListenOverflows\nTcpExt: 3 4\n")
    host.tree.write_sysctl("net/ipv4/tcp_mem", b"1\t2\t3\n")
    host.tree.write_sysctl(PORT_RANGE, b"32768\t60999\n")
    whole = host.see()
    if name.startswith("sys/"):
        path = host.tree.root / name
        path.unlink(missing_ok=True)
        host.tree.make_fifo(f"../../{name}")
    else:
        host.tree.make_fifo(name)
    host.clock.now += 100  # no limit is remembered for so long
    for _ in range(3):
        snapshot = host.see()
        assert not failed(snapshot, "table")
        assert failed(snapshot, "collector") == collectors
    assert passes_of(snapshot) == {"success": 1, "partial": 3, "failure": 0}
    assert sorted(str(entry["collector"]) for entry in logs) == sorted(collectors)
    assert not any(entry["exc_info"] for entry in logs)
    lost = {each for each, samples in whole.samples.items() if samples and not snapshot.samples.get(each)}
    assert lost
    assert all(any(cost in each for cost in costs.split()) for each in lost), lost
    assert sockets_of(snapshot, "tcp") == sockets_of(whole, "tcp")


def test_pipe_costs_neither_threads_nor_files(sampler: Sampler, tree: ProcfsTree) -> None:
    for name in ("udp", "sockstat", "netstat"):
        tree.make_fifo(name)
    sampler.take_snapshot()
    threads, files = set(threading.enumerate()), open_files()
    for _ in range(200):
        sampler.take_snapshot()
    assert (set(), files) == (set(threading.enumerate()) - threads, open_files())


@pytest.fixture
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for what hangs no longer than for the rest."""
    monkeypatch.setattr(walk_module, "HANG_GRACE_SECONDS", 0.2)
    monkeypatch.setattr(reader_module, "FILE_SECONDS", 0.2)


def test_hanging_table_costs_one_thread(tree: ProcfsTree, logs: Logs) -> None:
    """However often the pass is repeated, and the settings are changed meanwhile."""
    with HangingProcfs(tree.root, "udp") as procfs:
        settings = replace(SETTINGS, timeout_seconds=2)  # only once waited for, and enough for the others
        sampler = Sampler(procfs, settings, NAMES)
        sampler.take_snapshot()
        threads = set(threading.enumerate())
        for limit in range(1, 200):
            snapshot = sampler.take_snapshot()
            assert failed(snapshot, "table") == {"udp"}
            assert sockets_of(snapshot, "tcp")
            assert not set(threading.enumerate()) - threads
            sampler.change_settings(
                replace(settings, ports=replace(settings.ports, limit=1 + limit % 2)), NAMES
            )
    assert procfs.reads == 1
    assert ["table failed"] == [entry["event"] for entry in logs]
    wait_until(lambda: not failed(sampler.take_snapshot(), "table"))


@pytest.mark.parametrize(
    ("name", "collectors"),
    [
        ("sockstat", {"limits", "memory"}),
        ("net/ipv4/tcp_mem", {"limits", "memory"}),
        ("netstat", {"limits"}),
        ("net/ipv4/ip_local_port_range", {"ephemeral_ports"}),
        ("net/ipv4/tcp_tw_reuse", {"ephemeral_ports"}),
        ("processes", {"owners"}),
    ],
)
@pytest.mark.usefixtures("_hurry")
def test_a_file_that_hangs_costs_its_result_only(
    tree: ProcfsTree, logs: Logs, name: str, collectors: set[str]
) -> None:
    """Every table is counted, at every pass, and one thread hangs at most; then all is well."""
    tree.fill("tcp", listening(80), Printed(80, 1, states.CLOSE_WAIT))
    settings = replace(SETTINGS, owners=OwnersSettings(by="process"))
    with HangingProcfs(tree.root, name) as procfs:
        sampler = Sampler(procfs, settings, NAMES)
        for _ in range(5):
            snapshot = sampler.take_snapshot()
            assert not failed(snapshot, "table")
            assert failed(snapshot, "collector") == collectors
            assert sockets_of(snapshot, "tcp") == {("listen", "80"): 1, ("close_wait", "80"): 1}
            assert passes_of(snapshot)["failure"] == 0
            assert not (passes_of(snapshot)["success"] and collectors)
        hanging = [thread for thread in threading.enumerate() if thread.name == "kernel-reader"]
        assert procfs.reads <= 2
        assert len(hanging) >= procfs.reads + 1
    assert {str(entry["event"]) for entry in logs} == ({"collector failed"} if collectors else set())
    assert len(logs) == len(collectors)
    wait_until(lambda: not failed(sampler.take_snapshot(), "collector"))


def test_the_loop_ends_while_a_table_hangs(tree: ProcfsTree) -> None:
    with HangingProcfs(tree.root, "udp") as procfs:
        settings = replace(SETTINGS, timeout_seconds=0.1, interval_seconds=0.01)
        sampler = Sampler(procfs, settings, NAMES)
        loop = threading.Thread(target=sampler.run, daemon=True)
        loop.start()
        wait_until(lambda: sampler.snapshot is not None and sampler.snapshot.number >= 3)
        sampler.stop()
        loop.join(10)
        assert not loop.is_alive()


class Broken(Queues):
    """A collector that raises where it is told to."""

    where = ""

    def prepare(self, plan: Plan) -> None:
        """Get ready."""
        del plan
        self._fail("prepare")

    def observe(self, table: Table, counter: TableCounter, plan: Plan) -> Observer | None:
        """Return an observer that may raise."""
        del table, counter, plan
        self._fail("observe")
        return BrokenObserver() if self.where == "observer" else None

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the samples."""
        self._fail("collect")
        list(seen.observers(self.name))
        found = super().collect(seen)
        return {**found, "netstat_odd": {(): 1}} if self.where == "undeclared" else found

    @classmethod
    def _fail(cls, where: str) -> None:
        if cls.where == where:
            raise ZeroDivisionError("a bug")


class BrokenObserver:
    """Raises at every row."""

    def observe(self, rows: Rows) -> None:
        """Look at some rows."""
        del rows
        raise ZeroDivisionError("a bug")


@pytest.mark.parametrize("where", ["prepare", "observe", "observer", "collect", "undeclared"])
def test_a_collector_that_raises_costs_its_metrics_only(
    host: Host, logs: Logs, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """It shows in its success, the pass is partial, it is logged once; tables are counted."""
    monkeypatch.setattr("exporter.sampling.namespace_sampler.COLLECTORS", {**COLLECTORS, "queues": Broken})
    whole = host.see()
    monkeypatch.setattr(Broken, "where", where)
    declared = {metric.name for metric in Queues.metrics}
    for number in (1, 2, 3):
        snapshot = host.see()
        assert failed(snapshot, "collector") == {"queues"}
        assert not failed(snapshot, "table")
        assert snapshot.samples.keys() == whole.samples.keys() - declared
        assert passes_of(snapshot) == {"success": 1, "partial": number, "failure": 0}
        assert all_sockets(snapshot) == all_sockets(whole)
        error = "undeclared metrics: netstat_odd" if where == "undeclared" else "a bug"
        assert collector_of(snapshot, "queues").error == error
        assert (collector_of(snapshot, "queues").failing_seconds == 0) == (number == 1)
    monkeypatch.setattr(Broken, "where", "")
    well_again = host.see()
    assert not failed(well_again, "collector")
    assert collector_of(well_again, "queues").failing_seconds is None
    first, well = logs
    assert (first["event"], first["collector"]) == ("collector failed", "queues")
    assert isinstance(first["exc_info"], Exception)
    assert (well["event"], well["collector"]) == ("collector recovered", "queues")


def test_what_goes_wrong_with_tracked_sockets_costs_those_who_need_them(
    host: Host, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All say the same, and no leak is shown to have ended: its series are absent."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    host.see(tcp=[listening(80), Printed(80, 1, states.CLOSE_WAIT)])
    monkeypatch.setattr("exporter.sampling.services.tracking.TrackedWalk.observe", fail)
    snapshot = host.see()
    assert failed(snapshot, "collector") == {"ages", "open_files", "owners"}
    assert not failed(snapshot, "table")
    assert not {"netstat_stuck_sockets", "netstat_owner_sockets"} & snapshot.samples.keys()
    assert sockets_of(snapshot, "tcp")["close_wait", "80"] == 1
    assert [entry["error"] for entry in logs] == ["a bug"] * 3


def test_a_source_that_fails_is_told_once_and_when_it_recovers(
    netlink_host: Host, netlink: Netlink, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is read by the other one meanwhile, and is no failure."""
    monkeypatch.setattr("exporter.sampling.reading.sources.RETRY_SECONDS", 0)
    host = netlink_host
    off = {name: replace(getattr(SETTINGS, name), enabled=False) for name in ("listeners", "ephemeral_ports")}
    tables = ("udp",)
    host.change(replace(SETTINGS, tables=tables, source="netlink", **off))
    netlink.fill("udp", Diag(53, state=states.CLOSE, inode=3))
    netlink.errors.extend([REFUSED] * 3)
    sources = []
    for _ in range(5):
        snapshot = host.see()
        assert not failed(snapshot, "table")
        assert sockets_of(snapshot, "udp") == {("unconnected", "53"): 1}
        ((_, source),) = snapshot.samples["netstat_exporter_table_source_info"]
        sources.append(source)
    assert sources == ["procfs"] * 3 + ["netlink"] * 2
    events = [str(entry["event"]) for entry in logs if entry["log_level"] != "debug"]
    assert events == ["netlink failed, falling back to procfs", "netlink recovered"]


def test_a_table_that_is_denied_in_procfs_is_read_over_netlink(
    netlink_host: Host, netlink: Netlink, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.sampling.reading.sources.RETRY_SECONDS", 0)
    host = netlink_host
    host.change(replace(SETTINGS, tables=("tcp", "udp"), source="procfs"))
    netlink.fill("udp", Diag(53, state=states.CLOSE, inode=3))
    break_with_error(host.tree)
    for _ in range(3):
        snapshot = host.see()
        assert not failed(snapshot, "table") | failed(snapshot, "collector")
        assert sockets_of(snapshot, "udp") == {("unconnected", "53"): 1}
        assert set(snapshot.samples["netstat_exporter_table_source_info"]) == {
            ("tcp", "procfs"),
            ("udp", "netlink"),
        }
    host.see(udp=[Printed(53, state=states.CLOSE)])
    events = [(str(entry["event"]), entry["table"]) for entry in logs if entry["log_level"] != "debug"]
    assert events == [("procfs failed, falling back to netlink", "udp"), ("procfs recovered", "udp")]


def test_a_table_that_no_source_can_read_costs_the_others_nothing(
    netlink_host: Host, netlink: Netlink, logs: Logs
) -> None:
    """Not even the other table of its protocol at later passes: a source that is no better is not taken."""
    host = netlink_host
    host.change(replace(SETTINGS, tables=("udp", "udp6"), source="procfs"))
    netlink.errors.extend([REFUSED] * 100)
    break_with_error(host.tree)
    for _ in range(3):
        snapshot = host.see(udp6=[Printed(53, state=states.CLOSE)])
        assert failed(snapshot, "table") == {"udp"}
        assert sockets_of(snapshot, "udp") == {("unconnected", "53"): 1}
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["table failed"]


def test_a_crowd_that_is_gone_leaves_no_cost(tree: ProcfsTree) -> None:
    """31,000 ports that listen, then none: the next passes cost what they did before."""
    sampler = Sampler(OwnProcfs(str(tree.root)), replace(SETTINGS, source="procfs"), NAMES)
    sampler.take_snapshot()
    before = min(sampler.take_snapshot().cpu_seconds for _ in range(15))
    tree.fill("tcp", *(listening(1024 + i) for i in range(31_000)))
    crowded = sampler.take_snapshot()
    assert crowded.cpu_seconds > 4 * before
    tree.fill("tcp", listening(80))
    for _ in range(2):
        sampler.take_snapshot()
    after = min(sampler.take_snapshot().cpu_seconds for _ in range(15))
    assert after < 2 * before + 0.01
    assert after < crowded.cpu_seconds / 4
