"""What the kernel shows is measured, and what it does not show is absent."""

import resource

from exporter.sampling.collectors.limits import read_limits
from tests.support.procfs_tree import ProcfsTree

PAGE_BYTES = resource.getpagesize()


def test_what_is_not_there_is_absent(tree: ProcfsTree) -> None:
    assert read_limits(tree.procfs(), {}) == {}
    tree.write("netstat", b"TcpExt: A ListenDrops B\nTcpExt: 1 2 3 4 5\n")
    tree.write_sysctl("net/ipv4/tcp_mem", b"1\t2\n")
    expected = {
        "netstat_time_wait_buckets": 2,
        "netstat_listen_drops_total": 2,
        "netstat_tcp_memory_pressure_bytes": 2 * PAGE_BYTES,
    }
    assert expected == read_limits(tree.procfs(), {"inuse": 5, "tw": 2})


def test_what_cannot_be_read_does_not_hide_the_rest(tree: ProcfsTree) -> None:
    sockstat = {"inuse": 5, "orphan": 1, "tw": 2, "alloc": 9, "mem": 3}
    tree.remove("netstat").mkdir()
    tree.write_sysctl("net/ipv4/tcp_max_orphans/in/place/of/it", b"")
    expected = {
        "netstat_orphaned_sockets": 1,
        "netstat_time_wait_buckets": 2,
        "netstat_tcp_sockets_allocated": 9,
        "netstat_tcp_memory_bytes": 3 * PAGE_BYTES,
    }
    assert expected == read_limits(tree.procfs(), sockstat)
