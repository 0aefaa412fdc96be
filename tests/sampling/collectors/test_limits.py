"""What the kernel shows is measured, and what it does not show is absent."""

import resource
from dataclasses import replace

import pytest

from exporter.sampling.room import read_room
from exporter.sampling.sampler import Sampler
from tests.support.procfs_tree import ProcfsTree
from tests.support.sampling.watched import SETTINGS

PAGE_BYTES = resource.getpagesize()
PORT_RANGE = "net/ipv4/ip_local_port_range"


def test_what_is_not_there_is_absent(tree: ProcfsTree) -> None:
    assert read_room(tree.procfs()) == {}
    tree.write("sockstat", b"TCP: inuse 5 tw 2\n")
    tree.write("netstat", b"TcpExt: A ListenDrops B\nTcpExt: 1 2 3 4 5\n")
    tree.write_sysctl("net/ipv4/tcp_mem", b"1\t2\n")
    expected = {"time_wait_buckets": 2, "listen_drops_total": 2, "tcp_memory_pressure_bytes": 2 * PAGE_BYTES}
    assert expected == read_room(tree.procfs())


def test_what_cannot_be_read_does_not_hide_the_rest(tree: ProcfsTree) -> None:
    tree.write("sockstat", b"TCP: inuse 5 orphan 1 tw 2 alloc 9 mem 3\n")
    tree.remove("netstat").mkdir()
    tree.write_sysctl("net/ipv4/tcp_max_orphans/in/place/of/it", b"")
    expected = {"orphaned_sockets": 1, "time_wait_buckets": 2, "tcp_memory_bytes": 3 * PAGE_BYTES}
    assert expected == read_room(tree.procfs())


@pytest.mark.parametrize(
    ("ends", "reserved", "ports"),
    [
        (b"32768\t60999\n", None, 28232),
        (b"32768\t60999\n", b"\n", 28232),
        (b"1024\t2023\n", b"80,1020-1029,2000,2023-65535\n", 1000 - 6 - 1 - 1),
        (b"1024\t1024\n", b"1-65535\n", 0),
        (b"1024\n", b"", None),
        (b"a b\n", b"", None),
    ],
)
def test_ephemeral_ports(tree: ProcfsTree, ends: bytes, reserved: bytes | None, ports: int | None) -> None:
    """They are those in the range that are not reserved."""
    tree.write_sysctl(PORT_RANGE, ends)
    if reserved is not None:
        tree.write_sysctl("net/ipv4/ip_local_reserved_ports", reserved)
    assert read_room(tree.procfs()).get("ephemeral_ports") == ports


def test_it_can_be_switched_off(tree: ProcfsTree) -> None:
    tree.write("sockstat", b"TCP: inuse 5 orphan 1 tw 2 alloc 9 mem 3\n")
    sampler = Sampler(tree.procfs(), SETTINGS)
    names = {"time_wait_buckets", "ephemeral_ports_busiest_destination"}
    assert names <= sampler.take_snapshot().measures.keys()
    sampler.change_settings(replace(SETTINGS, room=False))
    assert not names & sampler.take_snapshot().measures.keys()
