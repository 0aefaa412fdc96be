"""The busiest destination is found where connections to its port are many."""

from collections.abc import Iterable

import pytest

from exporter.kernel import states
from exporter.sampling.collectors.ephemeral_ports import read_reuse
from exporter.sampling.services.port_usage import Reuse
from tests.support.procfs_tree import Printed, ProcfsTree
from tests.support.sampling.host import PORT_RANGE, RESERVED_PORTS, Host, listening
from tests.support.sampling.netlink import Diag, Netlink


def measure(host: Host, rows: Iterable[Printed], ends: bytes = b"20000\t20099\n") -> dict[str, float]:
    """Return what a pass finds of the busiest destinations, by port."""
    host.tree.write_sysctl(PORT_RANGE, ends)
    samples = host.see(tcp=rows).samples["netstat_ephemeral_ports_busiest_destination"]
    return {key[2]: number for key, number in samples.items()}


def test_destinations_are_not_added_up(host: Host) -> None:
    """Ports without a name are seen, those with few connections are not, nor what came in."""
    rows = [Printed(20000 + i, 5432, peer=i % 3, state=states.TIME_WAIT) for i in range(10)]
    rows += [Printed(20000 + i, 7777, peer=9) for i in range(12)]
    rows += [Printed(20000 + i, 3306, peer=9) for i in range(9)]
    rows += [Printed(80, 5432, peer=1), listening(80)]
    assert measure(host, rows) == {"5432": 4, "7777": 12}


def test_reserved_ports_count_everywhere(host: Host) -> None:
    host.tree.write_sysctl(RESERVED_PORTS, b"20010-20099\n")
    rows = [Printed(20000 + i, 5432, peer=9) for i in range(5)]
    assert measure(host, rows) == {"5432": 5}
    assert host.see().samples["netstat_ephemeral_ports"] == {(): 10}


@pytest.mark.parametrize(("ends", "ports"), [(b"1024\t65535\n", 64512), (b"1024\t1024\n", 1), (b"9\t8\n", 0)])
def test_wide_and_empty_ranges(host: Host, ends: bytes, ports: int) -> None:
    measure(host, [Printed(20000, 5432)], ends)
    assert host.see().samples["netstat_ephemeral_ports"] == {(): ports}


def test_a_crowd_is_looked_at_again_when_it_changes_or_a_minute_is_over(host: Host) -> None:
    """Where there are many sockets, one more of them is of no matter."""
    wide = b"20000\t50000\n"
    rows = [Printed(20000 + i, 5432, peer=1 + i % 2) for i in range(10_000)]
    measure(host, rows, wide)
    assert measure(host, rows, wide) == {"5432": 5000}
    moved = [row._replace(peer=1) for row in rows]
    assert measure(host, moved, wide) == {"5432": 5000}
    host.clock.now += 60
    assert measure(host, moved, wide) == {"5432": 10_000}
    assert measure(host, moved[:8000], wide) == {"5432": 8000}


def test_bound_ports_count_those_that_only_netlink_has(netlink_host: Host, netlink: Netlink) -> None:
    netlink_host.tree.write_sysctl(PORT_RANGE, b"20000\t20099\n")
    netlink.fill("tcp", Diag(20_005, state=states.LISTEN, inode=1), Diag(20_000, 443, inode=2))
    netlink.bound = [Diag(20_001, inode=3), Diag(80, inode=4)]
    netlink.fill("udp", Diag(20_009, state=states.CLOSE, inode=5))
    samples = netlink_host.see().samples
    assert samples["netstat_ephemeral_ports_bound"] == {("tcp",): 3, ("udp",): 1}


def test_a_search_among_many_sockets_needs_some_in_no_table(netlink_host: Host, netlink: Netlink) -> None:
    """The kernel counts all sockets that exist, and those that are in a table."""
    netlink_host.tree.write_sysctl(PORT_RANGE, b"20000\t21999\n")
    netlink.bound = [Diag(20_000 + i, inode=1 + i) for i in range(4)]

    def see(allocated: int, time_wait: int) -> float:
        sockstat = b"sockets: used 900\nTCP: inuse 3 orphan 0 tw %d alloc %d mem 0\nTCP6: inuse 2\n"
        netlink_host.tree.write("sockstat", sockstat % (time_wait, allocated))
        netlink_host.clock.now += 3600
        return netlink_host.see().samples["netstat_ephemeral_ports_bound"]["tcp",]

    assert [see(5 + 4, 9_991), see(5 + 4, 9_992), see(5 + 5, 9_992), see(5 + 4, 9_992)] == [4, 0, 4, 0]


@pytest.mark.parametrize(
    ("passes", "expected"),
    [
        pytest.param([(0, 100), (1, 0), (1, 100)], [100, 0, 100], id="they come back"),
        pytest.param(
            [(0, 5), (1, 4), (1, 5), (15, 4), (1, 5), (15, 5)], [5, 5, 5, 0, 0, 5], id="about as many"
        ),
    ],
)
def test_whether_to_leave_the_search_out_is_decided_as_often_as_to_search(
    netlink_host: Host,
    netlink: Netlink,
    monkeypatch: pytest.MonkeyPatch,
    passes: list[tuple[int, int]],
    expected: list[int],
) -> None:
    """When the number of sockets has changed, or after 15 seconds. A pass is seconds and bound sockets."""
    monkeypatch.setattr("exporter.sampling.services.held_ports.LEAVE_OUT_ABOVE", 4)
    netlink_host.tree.write_sysctl(PORT_RANGE, b"20000\t21999\n")
    found = []
    for seconds, number in passes:
        netlink.bound = [Diag(20_000 + i, inode=1 + i) for i in range(number)]
        sockstat = b"sockets: used %d\nTCP: inuse 5 orphan 0 tw 0 alloc %d mem 0\n" % (
            900 + number,
            5 + number,
        )
        netlink_host.tree.write("sockstat", sockstat)
        netlink_host.clock.now += seconds
        found.append(netlink_host.see().samples["netstat_ephemeral_ports_bound"]["tcp",])
    assert found == expected


def test_the_search_goes_on_where_sockstat_does_not_say_how_many_exist(
    netlink_host: Host, netlink: Netlink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.sampling.services.held_ports.LEAVE_OUT_ABOVE", 4)
    netlink_host.tree.write_sysctl(PORT_RANGE, b"20000\t21999\n")
    for number in (1, 2):
        netlink.bound = [Diag(20_000 + i, inode=1 + i) for i in range(number)]
        netlink_host.tree.write("sockstat", b"sockets: used 900\nTCP: inuse 5 orphan 0 tw 5 mem 0\n")
        netlink_host.clock.now += 3600
        assert netlink_host.see().samples["netstat_ephemeral_ports_bound"]["tcp",] == number


@pytest.mark.parametrize(
    ("reuse", "timestamps", "delay", "expected"),
    [
        (None, None, None, Reuse()),
        (b"0\n", b"1\n", None, Reuse()),
        (b"1\n", b"1\n", None, Reuse(always=True)),
        (b"2\n", None, b"5\n", Reuse(on_loopback=True, delay_milliseconds=5)),
        (b"1\n", b"0\n", None, Reuse()),
        (b"x\n", b"1\n", None, Reuse()),
    ],
)
def test_reuse(
    tree: ProcfsTree, reuse: bytes | None, timestamps: bytes | None, delay: bytes | None, expected: Reuse
) -> None:
    files = {"tcp_tw_reuse": reuse, "tcp_timestamps": timestamps, "tcp_tw_reuse_delay": delay}
    for name, content in files.items():
        if content is not None:
            tree.write_sysctl(f"net/ipv4/{name}", content)
    assert read_reuse(tree.procfs()) == expected


def test_the_first_pass_over_very_many_sockets_scans_no_addresses(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their counts should be there soon; the next pass scans."""
    monkeypatch.setattr("exporter.sampling.collectors.ephemeral_ports.MANY_SOCKETS", 0)
    rows = [Printed(50000 + i, 5432) for i in range(3)]
    host.tree.write("sockstat", b"sockets: used 9\nTCP: inuse 3 orphan 0 tw 0 alloc 3 mem 0\n")
    assert not host.see(tcp=rows).samples["netstat_ephemeral_ports_bound"]
    assert host.see(5, tcp=rows).samples["netstat_ephemeral_ports_bound"]["tcp",] == 3
