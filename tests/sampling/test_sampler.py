"""A snapshot is what the tables have, as often and under the rules that the settings say."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.kernel import states
from exporter.kernel.procfs import Procfs
from exporter.sampling.sampler import Sampler
from exporter.sampling.services import name_ports
from exporter.sampling.snapshot import SockstatKey
from tests.support.procfs_tree import Printed, ProcfsTree
from tests.support.sampling.watched import SETTINGS, sockets_of

PATIENCE_SECONDS = 30.0
TEN_YEARS_SECONDS = 10 * 365 * 86400


def test_snapshot(sampler: Sampler, tree: ProcfsTree) -> None:
    tree.write("sockstat", b"TCP: inuse 1\nUDP: inuse 1\n")
    before = time.time()
    snapshot = sampler.take_snapshot()
    assert sampler.snapshot is snapshot
    assert sockets_of(snapshot, "tcp") == {("listen", "80"): 1, ("established", "80"): 1}
    assert sockets_of(snapshot, "udp") == {("unconnected", "53"): 1}
    assert snapshot.sockstat_difference == {SockstatKey("tcp", "ipv4"): 1, SockstatKey("udp", "ipv4"): 0}
    assert [(status.table, status.rows) for status in snapshot.tables] == [
        ("tcp", 2),
        ("tcp6", 0),
        ("udp", 1),
    ]
    assert before <= snapshot.taken_at_seconds <= time.time()
    assert snapshot.passes_total == {"success": 1, "partial": 0, "failure": 0}


def test_interval_is_kept_while_passes_are_cheap(tree: ProcfsTree) -> None:
    sampler = Sampler(tree.procfs(), replace(SETTINGS, interval_seconds=3600))
    assert sampler.take_snapshot().pass_interval_seconds == 3600


def test_interval_is_stretched_to_the_budget(tree: ProcfsTree) -> None:
    """So much that passes, and the threads that read, use no more than their share of a core."""
    tree.fill("tcp", *(Printed(80, 1, peer=i) for i in range(50_000)))
    sampler = Sampler(tree.procfs(), replace(SETTINGS, interval_seconds=0.001, cpu_budget=0.01))
    started = time.process_time()
    snapshot = sampler.take_snapshot()
    used_seconds = time.process_time() - started
    assert used_seconds / 2 < snapshot.pass_cpu_seconds <= used_seconds
    assert snapshot.pass_interval_seconds == pytest.approx(snapshot.pass_cpu_seconds / 0.01)


def test_settings_hold_from_the_next_pass_on(sampler: Sampler) -> None:
    """Nothing of the old ones lingers."""
    sampler.take_snapshot()
    names = name_ports({80: "shop"}, b"")
    sampler.change_settings(replace(SETTINGS, tables=("tcp",), names=names, always=frozenset({22})))
    snapshot = sampler.take_snapshot()
    named = {key.port: key.port_name for key in snapshot.sockets}
    assert named == {"80": "shop", "22": "ssh", "other": "other"}
    assert [status.table for status in snapshot.tables] == ["tcp"]


@pytest.mark.parametrize(
    ("sysctl", "ephemeral"),
    [
        (b"1024\t2000\n", {"1500"}),
        (b"", {"33000"}),
        (b"1024\n", {"33000"}),
        (b"a b\n", {"33000"}),
        (b"1 2 3\n", {"33000"}),
        (None, {"33000"}),
    ],
)
def test_ephemeral_ports(
    sampler: Sampler, tree: ProcfsTree, sysctl: bytes | None, ephemeral: set[str]
) -> None:
    """They are the kernel's, or what the kernel's are if nobody changed them."""
    if sysctl is not None:
        tree.write_sysctl("net/ipv4/ip_local_port_range", sysctl)
    tree.fill("tcp", *(Printed(port, state=states.LISTEN) for port in (1500, 33000)))
    found = {port for _, port in sockets_of(sampler.take_snapshot(), "tcp")}
    assert found == {"other", "1500", "33000"} - ephemeral


def test_ephemeral_ports_that_cannot_be_read(sampler: Sampler, tree: ProcfsTree) -> None:
    tree.write_sysctl("net/ipv4/ip_local_port_range/in/place/of/it", b"")
    assert sockets_of(sampler.take_snapshot(), "tcp")


def test_clock_that_is_set(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the time of the snapshot is the wall clock's; a machine's clock is not a test's to set."""
    real = time.time
    sampler.take_snapshot()
    for jump_seconds in (TEN_YEARS_SECONDS, -TEN_YEARS_SECONDS):
        monkeypatch.setattr(time, "time", lambda jump=jump_seconds: real() + jump)
        snapshot = sampler.take_snapshot()
        assert snapshot.taken_at_seconds == pytest.approx(real() + jump_seconds, abs=60)
        assert 0 <= snapshot.pass_duration_seconds < 60
        assert all(0 <= status.duration_seconds < 60 for status in snapshot.tables)
        assert snapshot.pass_interval_seconds == SETTINGS.interval_seconds
        assert sockets_of(snapshot, "tcp")


class CountingProcfs(Procfs):
    """Says when a pass begins."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.begun = threading.Semaphore(0)

    def read_sysctl(self, name: str) -> bytes | None:
        """Return a kernel parameter, as every pass does first, and once unless ``room`` is measured."""
        self.begun.release()
        return super().read_sysctl(name)

    def wait_for_pass(self) -> None:
        """Go on when the next pass has begun."""
        assert self.begun.acquire(timeout=PATIENCE_SECONDS)


@contextmanager
def running(sampler: Sampler) -> Iterator[None]:
    """Let passes be repeated in a thread, which has to end when it is told to."""
    loop = threading.Thread(target=sampler.run, daemon=True)
    loop.start()
    yield
    sampler.stop()
    loop.join(PATIENCE_SECONDS)
    assert not loop.is_alive()


def test_passes_are_repeated(tree: ProcfsTree) -> None:
    procfs = CountingProcfs(tree.root)
    with running(Sampler(procfs, replace(SETTINGS, interval_seconds=0.001, room=False))):
        for _ in range(3):
            procfs.wait_for_pass()


def test_new_settings_begin_a_pass_at_once(tree: ProcfsTree) -> None:
    """However long the interval is; and stopping does not wait for its end either."""
    procfs = CountingProcfs(tree.root)
    settings = replace(SETTINGS, interval_seconds=3600, room=False)
    sampler = Sampler(procfs, settings)
    with running(sampler):
        procfs.wait_for_pass()
        sampler.change_settings(replace(settings, tables=("udp",)))
        procfs.wait_for_pass()
    assert sampler.snapshot is not None
    assert [status.table for status in sampler.snapshot.tables] == ["udp"]
