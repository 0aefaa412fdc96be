"""A snapshot is what the tables have, as often and under the rules that the settings say."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from exporter.config.settings import Ports
from exporter.kernel import states
from exporter.sampling.collectors import COLLECTORS
from exporter.sampling.labels import NamespaceLabels
from exporter.sampling.sampler import METRICS, NEED_MORE_PASSES, Sampler, without_history
from exporter.sampling.services.names import name_ports
from exporter.sampling.snapshot import NamespaceSamples
from tests.support.patience import PATIENCE_SECONDS, wait_until
from tests.support.procfs_tree import Printed, ProcfsTree
from tests.support.sampling.host import (
    PORT_RANGE,
    RESERVED_PORTS,
    Host,
    all_sockets,
    by_port,
    listening,
    passes_of,
    sockets_of,
)
from tests.support.sampling.netlink import Diag, Netlink
from tests.support.sampling.odd_procfs import CountingProcfs
from tests.support.sampling.settings import NAMES, SETTINGS

TEN_YEARS_SECONDS = 10 * 365 * 86400
SWITCHES = (
    "queues",
    "accept_queues",
    "listeners",
    "ages",
    "owners",
    "open_files",
    "unanswered",
    "idle",
    "ephemeral_ports",
    "limits",
    "tcp_counters",
    "memory",
    "udp_drops",
    "peaks",
)


def test_snapshot(sampler: Sampler, tree: ProcfsTree) -> None:
    tree.write("sockstat", b"TCP: inuse 1\nUDP: inuse 1\n")
    before = time.time()
    snapshot = sampler.take_snapshot()
    assert sampler.snapshot is snapshot
    assert sockets_of(snapshot, "tcp") == {("listen", "80"): 1, ("established", "80"): 1}
    assert sockets_of(snapshot, "udp") == {("unconnected", "53"): 1}
    assert snapshot.samples["netstat_exporter_sockstat_difference"] == {
        ("tcp", "ipv4"): 1,
        ("udp", "ipv4"): 0,
    }
    rows = [(status.table, status.rows) for status in snapshot.tables]
    assert rows == [("tcp", 2), ("tcp6", 0), ("udp", 1)]
    assert before <= snapshot.taken_at_seconds <= time.time()
    assert passes_of(snapshot) == {"success": 1, "partial": 0, "failure": 0}
    enabled = [name for name, made in COLLECTORS.items() if made.is_enabled(SETTINGS)]
    assert [each.collector for each in snapshot.collectors] == [*enabled, "namespaces"]
    assert snapshot.number == 1


def test_every_sample_is_declared_and_has_its_labels(sampler: Sampler) -> None:
    """So the page has a type and a HELP for each, and no label is lost."""
    sampler.take_snapshot()
    declared = {metric.name: metric for metric in METRICS}
    assert len(declared) == len(METRICS)
    samples = sampler.take_snapshot().samples
    assert set(samples) <= set(declared)
    for name, values in samples.items():
        assert all(len(labels) == len(declared[name].labels) for labels in values)


def test_what_needs_two_passes_is_told() -> None:
    """``--once`` leaves it out."""
    assert {"netstat_stuck_sockets", "netstat_udp_drops_total", "netstat_sockets_peak"} <= NEED_MORE_PASSES
    assert "netstat_sockets" not in NEED_MORE_PASSES


@pytest.mark.parametrize("name", SWITCHES)
def test_a_collector_that_is_switched_off_has_neither_metrics_nor_status(host: Host, name: str) -> None:
    host.tree.write("sockstat", b"TCP: inuse 1 tw 2\n")
    host.tree.write("snmp", b"Tcp: ActiveOpens\nTcp: 3\n")
    host.see()
    declared = {metric.name for metric in COLLECTORS[name].metrics}
    host.change(replace(SETTINGS, **{name: replace(getattr(SETTINGS, name), enabled=False)}))
    snapshot = host.see()
    assert not declared & snapshot.samples.keys()
    assert name not in {status.collector for status in snapshot.collectors}
    assert not all(COLLECTORS[each].is_enabled(host.settings) for each in COLLECTORS)
    host.change(SETTINGS)
    assert declared & host.see().samples.keys()


def test_with_all_switched_off_sockets_are_counted(host: Host) -> None:
    switches = (*SWITCHES, "namespaces")
    off = {name: replace(getattr(SETTINGS, name), enabled=False) for name in switches}
    host.change(replace(SETTINGS, **off))
    snapshot = host.see()
    assert [status.collector for status in snapshot.collectors] == ["sockets"]
    assert sockets_of(snapshot, "tcp") == {("listen", "80"): 1, ("established", "80"): 1}


def test_settings_hold_from_the_next_pass_on(sampler: Sampler) -> None:
    """Nothing of the old ones lingers."""
    sampler.take_snapshot()
    changed = replace(SETTINGS, tables=("tcp",), ports=Ports(always=(22,)))
    sampler.change_settings(changed, name_ports({80: "shop"}, b""))
    snapshot = sampler.take_snapshot()
    named = {key.port: key.port_name for key in all_sockets(snapshot)}
    assert named == {"80": "shop", "22": "ssh", "other": "other"}
    assert [status.table for status in snapshot.tables] == ["tcp"]


@pytest.mark.parametrize(
    ("sysctl", "ephemeral"),
    [
        (b"1024\t2000\n", 1500),
        (b"", 33000),
        (b"1024\n", 33000),
        (b"a b\n", 33000),
        (b"1 2 3\n", 33000),
        (None, 33000),
    ],
)
def test_ephemeral_ports(host: Host, sysctl: bytes | None, ephemeral: int) -> None:
    """They are the kernel's, or what the kernel's are if nobody changed them."""
    if sysctl is not None:
        host.tree.write_sysctl(PORT_RANGE, sysctl)
    snapshot = host.see(tcp=[listening(port) for port in (1500, 33000)])
    assert {port for _, port in sockets_of(snapshot, "tcp")} == {
        "other",
        *{"1500", "33000"} - {str(ephemeral)},
    }


def test_reserved_ports_are_not_ephemeral(host: Host) -> None:
    host.tree.write_sysctl(PORT_RANGE, b"32768\t60999\n")
    host.tree.write_sysctl(RESERVED_PORTS, b"33000\n")
    assert ("listen", "33000") in sockets_of(host.see(tcp=[listening(33000)]), "tcp")


@pytest.mark.parametrize("name", [PORT_RANGE, RESERVED_PORTS])
def test_ephemeral_ports_that_cannot_be_read(sampler: Sampler, tree: ProcfsTree, name: str) -> None:
    tree.write_sysctl(f"{name}/in/place/of/it", b"")
    snapshot = sampler.take_snapshot()
    assert sockets_of(snapshot, "tcp")
    assert snapshot.samples["netstat_ephemeral_ports"] == {}
    failed = {status.collector: status.error for status in snapshot.collectors if status.error}
    assert failed == {"ephemeral_ports": f"{tree.root}/sys/{name}: not a regular file"}


def test_clock_that_is_set(host: Host) -> None:
    """Only the time of the snapshot is the wall clock's; ages, durations and the interval are not."""
    leak = [listening(80), Printed(80, 1, states.CLOSE_WAIT)]
    host.see(tcp=leak)
    for jump_seconds in (TEN_YEARS_SECONDS, -TEN_YEARS_SECONDS):
        host.clock.wall_offset = jump_seconds
        snapshot = host.see(5)
        assert snapshot.taken_at_seconds == pytest.approx(time.time() + jump_seconds, abs=60)
        assert snapshot.taken_at_monotonic == host.clock.now
        assert 0 <= snapshot.duration_seconds < 60
        assert all(0 <= status.duration_seconds < 60 for status in snapshot.tables)
        assert snapshot.interval_seconds == SETTINGS.interval_seconds
        assert 0 <= max(snapshot.samples["netstat_oldest_socket_age_seconds"].values()) <= 10


BUSY_TABLE = [Printed(80, 1, peer=i) for i in range(20_000)]
HURRIED = replace(SETTINGS, interval_seconds=0.001, cpu_budget=0.01, max_interval_seconds=1000.0)


def test_interval_is_kept_while_passes_are_cheap(tree: ProcfsTree) -> None:
    sampler = Sampler(tree.procfs(), replace(SETTINGS, interval_seconds=3600), NAMES)
    for _ in range(3):
        assert sampler.take_snapshot().interval_seconds == 3600


def test_first_pass_never_sets_the_interval_and_the_second_keeps_the_budget(tree: ProcfsTree) -> None:
    """So much that passes, and the threads that read, use no more than their share of a core."""
    tree.fill("tcp", *BUSY_TABLE)
    sampler = Sampler(tree.procfs(), HURRIED, NAMES)
    first = sampler.take_snapshot()
    assert first.cpu_seconds > 0.001
    assert first.interval_seconds == 0.001
    started = time.process_time()
    second = sampler.take_snapshot()
    used_seconds = time.process_time() - started
    assert used_seconds / 2 < second.cpu_seconds <= used_seconds
    assert second.interval_seconds == pytest.approx(second.cpu_seconds / 0.01)


def test_interval_has_an_upper_bound(tree: ProcfsTree) -> None:
    tree.fill("tcp", *BUSY_TABLE)
    sampler = Sampler(tree.procfs(), replace(HURRIED, cpu_budget=1e-9, max_interval_seconds=30.0), NAMES)
    intervals = [sampler.take_snapshot().interval_seconds for _ in range(3)]
    assert intervals == [0.001, 30.0, 30.0]


def test_a_pass_by_another_source_does_not_set_the_interval(netlink_host: Host, netlink: Netlink) -> None:
    """What a source costs that is no longer used says nothing of the passes to come."""
    host = netlink_host
    host.tree.fill("tcp", *BUSY_TABLE)
    netlink.fill("tcp", Diag(80, 1, inode=5))
    settings = replace(HURRIED, tables=("tcp",), source="netlink")
    host.change(settings)
    host.see()
    cheap = host.see()
    assert cheap.interval_seconds == pytest.approx(max(0.001, cheap.cpu_seconds / 0.01))
    host.change(replace(settings, source="procfs"))
    changed = host.see()
    assert changed.cpu_seconds > cheap.cpu_seconds
    assert changed.interval_seconds == cheap.interval_seconds
    again = host.see()
    assert again.interval_seconds == pytest.approx(again.cpu_seconds / 0.01)


@contextmanager
def running(sampler: Sampler) -> Iterator[None]:
    """Let passes be repeated in a thread, which has to end when it is told to."""
    loop = threading.Thread(target=sampler.run, daemon=True)
    loop.start()
    try:
        yield
    finally:
        sampler.stop()
        loop.join(PATIENCE_SECONDS)
    assert not loop.is_alive()


def test_passes_are_repeated_and_reported(tree: ProcfsTree) -> None:
    procfs = CountingProcfs(tree.root)
    sampler = Sampler(procfs, replace(SETTINGS, interval_seconds=0.001), NAMES)
    with running(sampler):
        for _ in range(3):
            procfs.wait_for_pass(PATIENCE_SECONDS)
        wait_until(lambda: sampler.snapshot is not None and sampler.snapshot.number >= 2)
        assert not sampler.is_overdue()


def test_new_settings_begin_a_pass_at_once(tree: ProcfsTree) -> None:
    """However long the interval is; and stopping does not wait for its end either."""
    procfs = CountingProcfs(tree.root)
    settings = replace(SETTINGS, interval_seconds=3600)
    sampler = Sampler(procfs, settings, NAMES)
    with running(sampler):
        procfs.wait_for_pass(PATIENCE_SECONDS)
        sampler.change_settings(replace(settings, tables=("udp",)), NAMES)
        procfs.wait_for_pass(PATIENCE_SECONDS)
    assert sampler.snapshot is not None
    assert [status.table for status in sampler.snapshot.tables] == ["udp"]


def test_a_loop_that_stands_still_is_overdue(host: Host) -> None:
    """A pass may take as long as every table over both sources, and no longer."""
    sampler = host.sampler
    assert not sampler.is_overdue()

    def stand_still(_: object) -> None:
        host.clock.now += sampler.longest_pass_seconds - 1
        assert not sampler.is_overdue()
        host.clock.now += 2
        assert sampler.is_overdue()
        sampler.stop()

    sampler.run(stand_still)


def test_each_table_is_opened_once_a_pass(tree: ProcfsTree) -> None:
    """Also where there are leaks, crowded destinations and drops to look at."""
    rows = [listening(80), *(Printed(80, 1, states.CLOSE_WAIT, peer=i) for i in range(20))]
    rows += [Printed(40_000 + i, 5432, peer=9) for i in range(3000)]
    tree.write_sysctl(PORT_RANGE, b"40000\t43999\n")
    tree.fill("tcp", *rows)
    tree.fill("tcp6", *rows)
    tree.fill("udp", Printed(53, state=states.CLOSE, drops=7))
    procfs = CountingProcfs(tree.root)
    sampler = Sampler(procfs, replace(SETTINGS, source="procfs"), NAMES)
    for number in range(1, 4):
        snapshot = sampler.take_snapshot()
        assert passes_of(snapshot) == {"success": number, "partial": 0, "failure": 0}
        assert [procfs.opened[table] for table in SETTINGS.tables] == [number] * 3
    assert by_port(snapshot.samples["netstat_oldest_socket_age_seconds"])
    assert set(snapshot.samples["netstat_ephemeral_ports_busiest_destination"].values()) == {3000}


def test_cpu_time_that_is_charged_extends_the_interval(tree: ProcfsTree) -> None:
    """Once, as that of a pass does."""
    sampler = Sampler(tree.procfs(), HURRIED, NAMES)
    sampler.take_snapshot()
    sampler.charge(5.0)
    charged = sampler.take_snapshot()
    assert charged.interval_seconds == pytest.approx((charged.cpu_seconds + 5.0) / 0.01)
    later = sampler.take_snapshot()
    assert later.interval_seconds == pytest.approx(later.cpu_seconds / 0.01)


def test_what_one_pass_cannot_measure_is_left_out_of_every_network_namespace(tree: ProcfsTree) -> None:
    tree.fill("tcp", Printed(80, 1, states.CLOSE_WAIT))
    snapshot = Sampler(tree.procfs(), SETTINGS, NAMES).take_snapshot()
    pod = NamespaceSamples(NamespaceLabels("shop/web", "shop", "web"), snapshot.samples)
    assert snapshot.samples.keys() & NEED_MORE_PASSES
    single = without_history(replace(snapshot, namespaces=(pod,)))
    for samples in (single.samples, single.namespaces[0].samples):
        assert not samples.keys() & NEED_MORE_PASSES
        assert samples["netstat_sockets"] == snapshot.samples["netstat_sockets"]
