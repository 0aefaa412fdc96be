"""What the kernel shows is measured, what it does not show is absent, and what is unreadable is a failure."""

import resource

import pytest

from exporter.sampling.collectors.limits import read_limits
from tests.support.procfs_tree import ProcfsTree
from tests.support.sampling.host import Host, collector_of, passes_of

PAGE_BYTES = resource.getpagesize()
SYSCTLS = "net/ipv4/"
NUMBERS = {
    "sockstat": {
        "netstat_time_wait_buckets": 2,
        "netstat_orphaned_sockets": 1,
        "netstat_tcp_sockets_allocated": 9,
        "netstat_tcp_memory_bytes": 3 * PAGE_BYTES,
    },
    "netstat": {"netstat_listen_drops_total": 4},
    SYSCTLS + "tcp_max_orphans": {"netstat_orphaned_sockets_limit": 8},
}


def measured(host: Host) -> tuple[dict[str, float], str]:
    """Return the numbers of a pass, and the error of the collector."""
    snapshot = host.see()
    names = {name for numbers in NUMBERS.values() for name in numbers}
    numbers = {name: found[()] for name, found in snapshot.samples.items() if name in names}
    return numbers, collector_of(snapshot, "limits").error


def test_what_is_not_there_is_absent(tree: ProcfsTree) -> None:
    assert read_limits(tree.procfs(), {}) == ({}, ())
    tree.write("netstat", b"TcpExt: A ListenDrops B\nTcpExt: 1 2 3 4 5\n")
    tree.write_sysctl("net/ipv4/tcp_mem", b"1\t2\n")
    expected = {
        "netstat_time_wait_buckets": 2,
        "netstat_listen_drops_total": 2,
        "netstat_tcp_memory_pressure_bytes": 2 * PAGE_BYTES,
    }
    assert read_limits(tree.procfs(), {"inuse": 5, "tw": 2}) == (expected, ())


@pytest.mark.parametrize("unreadable", NUMBERS)
def test_file_that_cannot_be_read_is_a_failure_and_does_not_hide_the_rest(
    host: Host, unreadable: str
) -> None:
    host.tree.write("sockstat", b"TCP: inuse 5 orphan 1 tw 2 alloc 9 mem 3\n")
    host.tree.write("netstat", b"TcpExt: ListenDrops\nTcpExt: 4\n")
    host.tree.write_sysctl("net/ipv4/tcp_max_orphans", b"8\n")
    whole = {name: number for numbers in NUMBERS.values() for name, number in numbers.items()}
    assert measured(host) == (whole, "")
    file = f"../../sys/{unreadable}" if unreadable.startswith(SYSCTLS) else unreadable
    host.tree.make_fifo(file)
    numbers, error = measured(host)
    assert numbers.items() == whole.items() - NUMBERS[unreadable].items()
    assert error.endswith(f"/{unreadable}: not a regular file")
    assert passes_of(host.see())["partial"] == 2
    host.tree.remove(file)
    assert measured(host) == (numbers, "")  # what does not exist is no failure
