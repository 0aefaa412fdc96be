"""What is in use, its limits and its overflows are the kernel's, as ss, sysctl and nstat tell them."""

import errno
import os
import re
import resource
import socket
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.kernel.procfs import Procfs
from exporter.sampling.room import read_room
from exporter.sampling.sampler import Sampler
from tests.support import requirements
from tests.support.live.namespace import Namespace, inside
from tests.support.live.outbound import Destination, outbound
from tests.support.sampling.watched import SETTINGS

pytestmark = pytest.mark.live

POSTGRES = 5432
BUSIEST = "ephemeral_ports_busiest_destination"
OVERFLOWS = {
    "time_wait_overflows_total": "TcpExtTCPTimeWaitOverflow",
    "listen_overflows_total": "TcpExtListenOverflows",
    "listen_drops_total": "TcpExtListenDrops",
    "memory_aborts_total": "TcpExtTCPAbortOnMemory",
}


def measure(namespace: Namespace, source: str = "auto") -> Mapping[str, Mapping[tuple[str, ...], float]]:
    """Return what one pass in a namespace measures."""
    with inside(namespace.path):
        sampler = Sampler(Procfs(), replace(SETTINGS, source=source))
        return sampler.take_snapshot().measures


def set_sysctl(namespace: Namespace, name: str, value: str) -> None:
    """Set a parameter of a namespace."""
    namespace.run("sh", "-c", f'echo {value} >"/proc/sys/net/ipv4/{name}"')


def nstat(namespace: Namespace) -> dict[str, float]:
    """Return the kernel's counters of a namespace by the name that nstat has for them."""
    lines = namespace.run("nstat", "-asz").splitlines()[1:]
    return {name: float(value) for name, value, _ in map(str.split, lines)}


def ports_by_destination(namespace: Namespace) -> dict[tuple[str, str], set[str]]:
    """Return the local ports towards the service, by source and destination, as ss lists them."""
    found = defaultdict(set)
    for line in namespace.run("ss", "-Htan", f"( dport = :{POSTGRES} )").splitlines():
        local, remote = line.split()[3:5]
        source, _, port = local.rpartition(":")
        found[source, remote].add(port)
    return found


@pytest.mark.usefixtures("ss")
@pytest.mark.parametrize("source", ["netlink", "procfs", "auto"])
def test_busiest_destination_is_that_of_ss(namespace: Namespace, source: str) -> None:
    """In either family, TIME_WAIT included; two destinations are not added up."""
    set_sysctl(namespace, "ip_local_port_range", "20000 29999")
    set_sysctl(namespace, "tcp_tw_reuse", "0")
    namespace.run("ip", "address", "add", "::2/128", "dev", "lo")
    destinations = (
        Destination("127.0.0.1", 300, 1900),
        Destination("127.0.0.2", 100, 1800),
        Destination("::1", 100, 700),
        Destination("::2", 0, 500),
    )
    with outbound(namespace, POSTGRES, *destinations):
        busiest = measure(namespace, source)[BUSIEST]
        listed = {pair: len(ports) for pair, ports in ports_by_destination(namespace).items()}
    assert {
        ("tcp", "ipv4", "5432", "postgresql"): 2200,
        ("tcp", "ipv6", "5432", "postgresql"): 800,
    } == busiest
    assert sorted(listed.values()) == [500, 800, 1900, 2200]


def test_destinations_do_not_matter_below_a_tenth_of_the_ports(namespace: Namespace) -> None:
    """The series is there while it says something, and is gone when it does not."""
    set_sysctl(namespace, "ip_local_port_range", "20000 29999")
    assert measure(namespace)[BUSIEST] == {}
    with outbound(namespace, POSTGRES, Destination("127.0.0.1", 999)):
        assert measure(namespace)[BUSIEST] == {}
    with outbound(namespace, POSTGRES, Destination("127.0.0.1", 1000)):
        assert list(measure(namespace)[BUSIEST].values()) == [1000]
    assert measure(namespace)[BUSIEST] == {}


def test_ports_run_out_by_destination(namespace: Namespace) -> None:
    """When the busiest takes all that there are, no connection to it can be made, but one to another can."""
    set_sysctl(namespace, "ip_local_port_range", "20000 20099")
    with outbound(namespace, POSTGRES, Destination("127.0.0.1", 100), Destination("127.0.0.2", 20)):
        measured = measure(namespace)
        with inside(namespace.path):
            with pytest.raises(OSError, match="Cannot assign requested address"):
                socket.create_connection(("127.0.0.1", POSTGRES))
            socket.create_connection(("127.0.0.2", POSTGRES)).close()
    assert list(measured[BUSIEST].values()) == list(measured["ephemeral_ports"].values()) == [100]


def test_time_wait_overflows(namespace: Namespace) -> None:
    """Of what cannot be kept in TIME_WAIT every one is counted, as nstat does."""
    requirements.require_command("nstat", "iproute2")
    set_sysctl(namespace, "tcp_max_tw_buckets", "10")
    before = measure(namespace)
    assert before["time_wait_overflows_total"][()] == 0
    with outbound(namespace, POSTGRES, Destination("127.0.0.1", 0, 50)):
        after = measure(namespace)
    assert after["time_wait_limit"][()] == 10
    assert after["time_wait_buckets"][()] == 10
    assert after["time_wait_overflows_total"][()] == nstat(namespace)["TcpExtTCPTimeWaitOverflow"] == 40


@pytest.mark.usefixtures("ss")
def test_time_wait_is_that_of_ss(namespace: Namespace) -> None:
    with outbound(namespace, POSTGRES, Destination("127.0.0.1", 3, 5), Destination("::1", 2, 7)):
        measured = measure(namespace)
        (listed,) = re.findall(r"timewait (\d+)", namespace.run("ss", "-s"))
    assert measured["time_wait_buckets"][()] == int(listed) == 12


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
    measured = {name: measure(namespace)[name][()] for name in OVERFLOWS}
    counted = nstat(namespace)
    assert {name: counted[kernel_name] for name, kernel_name in OVERFLOWS.items()} == measured
    assert measured["listen_overflows_total"] > 0


def test_ephemeral_ports_are_those_not_reserved(namespace: Namespace) -> None:
    """Those reserved outside the range do not matter."""
    set_sysctl(namespace, "ip_local_port_range", "20000 29999")
    set_sysctl(namespace, "ip_local_reserved_ports", "8080,19990-20009,25000,29999-30010")
    assert measure(namespace)["ephemeral_ports"][()] == 10_000 - 10 - 1 - 1


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
        "time_wait_limit": found["tcp_max_tw_buckets"],
        "orphaned_sockets_limit": found["tcp_max_orphans"],
        "tcp_memory_pressure_bytes": [pages * page_bytes for pages in found["tcp_mem"][1:2]],
        "tcp_memory_limit_bytes": [pages * page_bytes for pages in found["tcp_mem"][2:]],
    }
    room = read_room(Procfs())
    assert expected == {name: [room[name]] if name in room else [] for name in expected}


def test_another_namespace_has_none_of_our_sysctls(namespace: Namespace, tmp_path: Path) -> None:
    """Every procfs shows the reader's: what it says about the tables of another namespace is not shown."""
    (tmp_path / "1").symlink_to(f"/proc/{namespace.keeper}")
    (tmp_path / "self").symlink_to(f"/proc/{os.getpid()}")
    (tmp_path / "sys").symlink_to("/proc/sys")
    room = read_room(Procfs(str(tmp_path)))
    assert room["time_wait_buckets"] == 0
    assert not {"ephemeral_ports", "time_wait_limit"} & room.keys()
    (tmp_path / "1").unlink()
    (tmp_path / "1").symlink_to(f"/proc/{os.getpid()}")
    assert {"ephemeral_ports", "time_wait_limit"} <= read_room(Procfs(str(tmp_path))).keys()
