"""The memory of sockets is asked for when it becomes short, and shown by service, kind and owner."""

import resource
from collections.abc import Iterable
from dataclasses import replace

import pytest

from exporter.config.settings import ALWAYS, NETLINK, PROCFS, Idle, Memory, Owners, Switch
from exporter.kernel import states
from exporter.kernel.diag_rows import DiagRows
from exporter.kernel.netlink import Block
from exporter.kernel.tables import TABLES
from exporter.sampling.collectors import memory as memory_module
from exporter.sampling.collectors.memory import MOST_OWNERS, MemoryObserver
from exporter.sampling.services import owner_lookup
from exporter.sampling.snapshot import Snapshot
from tests.support.kernel.messages import inet, memory
from tests.support.procfs_tree import Printed
from tests.support.sampling.host import Host, collector_of
from tests.support.sampling.netlink import LATE, REFUSED, Diag, Netlink
from tests.support.sampling.settings import SETTINGS

ELASTIC = ("tcp", "ipv4", "outbound", "9200", "elasticsearch")
PRESSURE_PAGES = 1000
EXACTLY_HALF = PRESSURE_PAGES // 2


class Sockets:
    """Sets what two connections to a service hold, or others made of the same one."""

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink
        self.hold()

    def hold(self, *held: tuple[int, int, int, int], cgroups: Iterable[int] = ()) -> None:
        """Let each of the connections hold so much, and one of each cgroup 1000 bytes less its number."""
        one = [Diag(40001 + i, 9200, held=each) for i, each in enumerate(held)]
        others = [Diag(40001, 9200, cgroup_id=each, held=(1000 - each, 0, 0, 0)) for each in cgroups]
        self._netlink.fill("tcp", *one, *others, Diag(40002, 9200), Diag(40003, 9200))

    @property
    def asked(self) -> int:
        """How often the kernel was asked."""
        return len(self._netlink.asked)


@pytest.fixture
def sockets(netlink: Netlink) -> Sockets:
    """Let the memory of sockets be the test's."""
    return Sockets(netlink)


@pytest.fixture(params=[NETLINK, PROCFS])
def host(netlink_host: Host, sockets: Sockets, request: pytest.FixtureRequest) -> Host:
    """Return a host with connections to a service, whose memory is short."""
    del sockets
    alone = replace(SETTINGS, idle=Idle(enabled=False), ephemeral_ports=Switch(enabled=False))
    netlink_host.change(replace(alone, source=request.param))
    netlink_host.tree.fill("tcp", Printed(40001, 9200), Printed(40002, 9200))
    set_marks(netlink_host, f"800 {PRESSURE_PAGES} 1200\n")
    use_pages(netlink_host, EXACTLY_HALF + 1)
    return netlink_host


def set_marks(host: Host, text: str) -> None:
    """Set tcp_mem."""
    host.tree.write_sysctl("net/ipv4/tcp_mem", text.encode())


def use_pages(host: Host, pages: int) -> None:
    """Let TCP use so much memory."""
    host.tree.write("sockstat", b"TCP: inuse 2 orphan 0 tw 0 alloc 2 mem %d\n" % pages)


def by_kind(snapshot: Snapshot) -> dict[tuple[str, ...], float]:
    """Return the bytes by service and kind."""
    return dict(snapshot.samples["netstat_socket_memory_bytes"])


def by_owner(snapshot: Snapshot) -> dict[tuple[str, ...], float]:
    """Return the bytes by service and owner."""
    return dict(snapshot.samples["netstat_owner_socket_memory_bytes"])


def test_memory_by_kind(host: Host, sockets: Sockets) -> None:
    """A kind that is 0 has no series. Nobody is asked in the first pass, nor more than once a minute."""
    sockets.hold((1, 2, 4000, 0), (10, 20, 40000, 0))
    assert by_kind(host.see()) == {}
    expected = {(*ELASTIC, "receive"): 11, (*ELASTIC, "forward_allocated"): 22, (*ELASTIC, "send"): 44000}
    found = host.see()
    assert by_kind(found) == expected
    assert by_owner(found) == {("tcp", "outbound", "9200", "elasticsearch", "unknown"): 44033}
    sockets.hold()
    assert by_kind(host.see(59)) == expected
    assert by_kind(host.see(1)) == {}
    assert sockets.asked == 2


def test_blocks_are_added_up() -> None:
    """A table of some hundred sockets comes in several; a kind below 0 for a moment lessens what is held."""
    observer = MemoryObserver(lambda _, remote_port: remote_port)
    for held in ((1, -1, 0, 4), (10, 20, 0, 40), (100, 200, 0, 400)):
        message = inet((40001, 9200), states.ESTABLISHED, attributes=memory(*held))
        observer.observe(DiagRows(TABLES["tcp"], Block(2 * message, len(message))))
    assert observer.held == {(9200, 0): (222, 438, 0, 888)}


def test_nothing_is_asked_or_shown_while_there_is_enough(host: Host, sockets: Sockets) -> None:
    sockets.hold((1, 0, 0, 0))
    use_pages(host, EXACTLY_HALF)
    for _ in range(3):
        assert by_kind(host.see()) == {}
    assert sockets.asked == 0
    use_pages(host, EXACTLY_HALF + 1)
    host.see()
    assert by_kind(host.see()) == {(*ELASTIC, "receive"): 1}
    use_pages(host, EXACTLY_HALF)
    assert by_kind(host.see()) == {}
    assert by_owner(host.see()) == {}


@pytest.mark.parametrize("marks", ["", "1000\n", "a b c\n"])
def test_marks_that_are_not_shown(host: Host, sockets: Sockets, marks: str) -> None:
    """In a network namespace there are none: then memory is asked for only where that is configured."""
    set_marks(host, marks)
    host.see()
    host.see()
    assert sockets.asked == 0
    host.change(replace(host.settings, memory=Memory(when=ALWAYS, every_seconds=5.0)))
    for _ in range(3):
        host.see()
    assert sockets.asked == 2


def test_marks_are_read_again_after_a_minute(host: Host, sockets: Sockets) -> None:
    host.see()
    set_marks(host, "1 9000 9999\n")
    host.see(60)
    assert sockets.asked == 0


def test_page_size_counts_for_both(host: Host, sockets: Sockets) -> None:
    """Both numbers are in pages of this machine."""
    assert memory_module.read_pressure_bytes(host.tree.procfs()) == PRESSURE_PAGES * resource.getpagesize()
    assert sockets.asked == 0


def test_many_owners_are_counted_together(
    host: Host, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest are shown; those whose cgroup has gone are unknown."""
    paths = {number: b"/system.slice/app%d.service" % number for number in range(1, MOST_OWNERS + 10)}
    monkeypatch.setattr(
        owner_lookup, "walk_cgroups", lambda _, wanted: iter([(i, paths[i]) for i in sorted(wanted)])
    )
    sockets.hold(cgroups=paths)
    host.see()
    found = by_owner(host.see())
    assert len(found) == MOST_OWNERS + 1
    assert found["tcp", "outbound", "9200", "elasticsearch", "app1.service"] == 999
    assert found["tcp", "outbound", "other", "other", "other"] == sum(
        1000 - n for n in list(paths)[MOST_OWNERS:]
    )


@pytest.mark.parametrize("host", [PROCFS], indirect=True)
def test_failure_is_seen_until_the_next_answer(host: Host, sockets: Sockets, netlink: Netlink) -> None:
    host.see()
    netlink.errors.append(LATE)
    for _ in range(2):
        failed = host.see()
        assert "netstat_socket_memory_bytes" not in failed.samples
        assert "late" in collector_of(failed, "memory").error
    sockets.hold((1, 0, 0, 0))
    assert by_kind(host.see(60)) == {(*ELASTIC, "receive"): 1}


@pytest.mark.parametrize("host", [PROCFS], indirect=True)
def test_nothing_is_shown_without_netlink(host: Host, sockets: Sockets, netlink: Netlink) -> None:
    sockets.hold((1, 0, 0, 0))
    netlink.errors.extend([REFUSED] * 9)
    host.see()
    snapshot = host.see()
    assert by_kind(snapshot) == {}
    assert collector_of(snapshot, "memory").error == ""


@pytest.mark.parametrize("host", [PROCFS], indirect=True)
def test_the_other_family_of_a_table_that_failed_is_shown(
    host: Host, sockets: Sockets, netlink: Netlink
) -> None:
    sockets.hold((1, 0, 0, 0))
    host.tree.fill("tcp6", Printed(40009, 9200))
    netlink.fill("tcp6", Diag(40009, 9200, held=(2, 0, 0, 0)))
    host.see()
    assert sum(by_owner(host.see()).values()) == 3
    host.tree.make_fifo("tcp")
    netlink.errors.extend([LATE] * 9)
    found = host.see()
    assert {key[1]: number for key, number in by_kind(found).items()} == {"ipv6": 2}
    assert sum(by_owner(found).values()) == 2


@pytest.mark.parametrize("enabled", [True, False])
def test_switch(host: Host, sockets: Sockets, *, enabled: bool) -> None:
    host.change(replace(host.settings, memory=Memory(enabled=enabled), owners=Owners(enabled=False)))
    host.see()
    assert enabled == ("netstat_socket_memory_bytes" in host.see().samples)
    assert enabled == bool(sockets.asked)
