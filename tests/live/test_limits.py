"""What is in use, its limits and its overflows are the kernel's, as ss, sysctl and nstat tell them."""

import errno
import os
import re
import resource
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from exporter.kernel.procfs import Procfs
from exporter.sampling.collectors.limits import read_limits
from tests.support import requirements
from tests.support.live.namespace import Namespace, inside
from tests.support.live.outbound import Destination, outbound
from tests.support.live.sampling import set_sysctl, take_samples

pytestmark = pytest.mark.live

POSTGRES = 5432
OVERFLOWS = {
    "netstat_time_wait_overflows_total": "TcpExtTCPTimeWaitOverflow",
    "netstat_listen_overflows_total": "TcpExtListenOverflows",
    "netstat_listen_drops_total": "TcpExtListenDrops",
    "netstat_memory_aborts_total": "TcpExtTCPAbortOnMemory",
}


def nstat(namespace: Namespace) -> dict[str, float]:
    """Return the kernel's counters of a namespace by the name that nstat has for them."""
    lines = namespace.run("nstat", "-asz").splitlines()[1:]
    return {name: float(value) for name, value, _ in map(str.split, lines)}


def test_time_wait_overflows(namespace: Namespace) -> None:
    """Of what cannot be kept in TIME_WAIT every one is counted, as nstat does."""
    requirements.require_command("nstat", "iproute2")
    set_sysctl(namespace, "tcp_max_tw_buckets", "10")
    before = take_samples(namespace)
    assert before["netstat_time_wait_overflows_total"][()] == 0
    with outbound(namespace, POSTGRES, Destination("127.0.0.1", 0, 50)):
        after = take_samples(namespace)
    assert after["netstat_time_wait_limit"][()] == 10
    assert after["netstat_time_wait_buckets"][()] == 10
    assert (
        after["netstat_time_wait_overflows_total"][()] == nstat(namespace)["TcpExtTCPTimeWaitOverflow"] == 40
    )


@pytest.mark.usefixtures("ss")
def test_time_wait_is_that_of_ss(namespace: Namespace) -> None:
    with outbound(namespace, POSTGRES, Destination("127.0.0.1", 3, 5), Destination("::1", 2, 7)):
        measured = take_samples(namespace)
        (listed,) = re.findall(r"timewait (\d+)", namespace.run("ss", "-s"))
    assert measured["netstat_time_wait_buckets"][()] == int(listed) == 12


def test_overflows_are_those_of_nstat(namespace: Namespace) -> None:
    """A listener that never accepts overflows, which moves two of the counters."""
    requirements.require_command("nstat", "iproute2")
    with inside(namespace.path), ExitStack() as held:
        address = ("127.0.0.1", POSTGRES)
        held.enter_context(socket.create_server(address, backlog=1))
        for _ in range(8):
            client = held.enter_context(socket.socket())
            client.settimeout(0)
            assert client.connect_ex(address) == errno.EINPROGRESS
    measured = {name: take_samples(namespace)[name][()] for name in OVERFLOWS}
    counted = nstat(namespace)
    assert {name: counted[kernel_name] for name, kernel_name in OVERFLOWS.items()} == measured
    assert measured["netstat_listen_overflows_total"] > 0


def test_limits_are_those_of_sysctl() -> None:
    """Here and now, in whichever namespace the tests run; memory is in bytes."""
    requirements.require_command("sysctl", "procps")
    found = {}
    for name in ("tcp_max_tw_buckets", "tcp_max_orphans", "tcp_mem"):
        run = subprocess.run(
            ["sysctl", "-n", f"net.ipv4.{name}"], capture_output=True, text=True, check=False
        )
        found[name] = [int(word) for word in run.stdout.split()]
    page_bytes = resource.getpagesize()
    expected = {
        "netstat_time_wait_limit": found["tcp_max_tw_buckets"],
        "netstat_orphaned_sockets_limit": found["tcp_max_orphans"],
        "netstat_tcp_memory_pressure_bytes": [pages * page_bytes for pages in found["tcp_mem"][1:2]],
        "netstat_tcp_memory_limit_bytes": [pages * page_bytes for pages in found["tcp_mem"][2:]],
    }
    limits = read_limits(Procfs(), {}).numbers
    assert expected == {name: [limits[name]] if name in limits else [] for name in expected}


def test_another_namespace_has_none_of_our_sysctls(namespace: Namespace, tmp_path: Path) -> None:
    """Every procfs shows the reader's: what it says about the tables of another namespace is not shown."""
    (tmp_path / "1").symlink_to(f"/proc/{namespace.keeper}")
    (tmp_path / "self").symlink_to(f"/proc/{os.getpid()}")
    (tmp_path / "sys").symlink_to("/proc/sys")
    sysctls = {"netstat_orphaned_sockets_limit", "netstat_time_wait_limit"}
    assert not sysctls & read_limits(Procfs(str(tmp_path)), {}).numbers.keys()
    (tmp_path / "1").unlink()
    (tmp_path / "1").symlink_to(f"/proc/{os.getpid()}")
    assert sysctls <= read_limits(Procfs(str(tmp_path)), {}).numbers.keys()
