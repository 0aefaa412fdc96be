"""Drops of listeners are those that ss and the kernel's own counters show, to the connection."""

import re
import socket
from contextlib import ExitStack, closing
from typing import NamedTuple

import pytest

from exporter.config.settings import Owners, Settings
from exporter.sampling.labels import ListenerInfoKey, ListenerKey
from exporter.sampling.sampler import Sampler
from tests.support.live.cgroup import enter, made_cgroup
from tests.support.live.connections import make_deaf
from tests.support.live.leaker import leaking
from tests.support.live.namespace import Namespace, inside
from tests.support.live.sampling import make_sampler, set_sysctl
from tests.support.live.scenarios import IPP

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("ss")]

HTTPS = 8443
ADDRESS = "127.0.0.1"
CLIENTS = 60
SERVICE = r"web\x2dshop.service"
COUNTERS = ("SyncookiesSent", "TCPReqQFullDrop", "ListenDrops", "ListenOverflows")


class Counted(NamedTuple):
    """What the kernel counted in the namespace, and what we did."""

    kernel: dict[str, int]
    ours: dict[str, float]
    drops: float


def count(namespace: Namespace, sampler: Sampler) -> Counted:
    """Take a pass, and read TcpExt."""
    samples = sampler.take_snapshot().samples
    lines = namespace.run("cat", "/proc/self/net/netstat").splitlines()
    names, values = (line.split()[1:] for line in lines if line.startswith("TcpExt:"))
    kernel = dict(zip(names, map(int, values), strict=True))
    ours = {
        name: samples[metric][()]
        for name, metric in (
            ("SyncookiesSent", "netstat_syn_cookies_sent_total"),
            ("TCPReqQFullDrop", "netstat_syn_queue_drops_total"),
            ("ListenDrops", "netstat_listen_drops_total"),
            ("ListenOverflows", "netstat_listen_overflows_total"),
        )
    }
    key = ListenerKey("tcp", "ipv4", str(HTTPS), "https-alt")
    drops = samples["netstat_listener_drops_total"].get(key, 0)
    return Counted({name: kernel[name] for name in COUNTERS}, ours, drops)


def listen(backlog: int) -> socket.socket:
    """Open a listener that shares its port."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((ADDRESS, HTTPS))
    listener.listen(backlog)
    return listener


def knock(*, deaf: bool) -> None:
    """Try to connect many times at once, and give up; a deaf client answers no SYN-ACK."""
    with ExitStack() as held:
        for _ in range(CLIENTS):
            client = held.enter_context(socket.socket())
            client.setblocking(False)  # noqa: FBT003
            if deaf:
                make_deaf(client)
            client.connect_ex((ADDRESS, HTTPS))


def drops_of_ss(namespace: Namespace) -> int:
    """Return what the listeners that are there dropped."""
    listed = namespace.run("ss", "-Hltnm", f"sport = :{HTTPS}")
    return sum(map(int, re.findall(r",d(\d+)\)", listed)))


@pytest.mark.parametrize("source", ["netlink", "procfs"])
@pytest.mark.parametrize(
    ("cookies", "clients", "counter"),
    [(0, "deaf", "ListenDrops"), (2, "deaf", "SyncookiesSent"), (0, "well", "ListenOverflows")],
)
def test_equal_to_ss_and_the_kernel(
    namespace: Namespace, source: str, cookies: int, clients: str, counter: str
) -> None:
    """A flood of handshakes with and without SYN cookies, and an accept queue that is full."""
    set_sysctl(namespace, "tcp_syncookies", cookies)
    set_sysctl(namespace, "tcp_max_syn_backlog", 8)
    with inside(namespace.path), closing(listen(4)):
        sampler = make_sampler(Settings(source=source))
        sampler.take_snapshot()
        sampler.take_snapshot()
        knock(deaf=clients == "deaf")
        counted = count(namespace, sampler)
        assert counted.ours == counted.kernel
        assert counted.kernel[counter] >= CLIENTS // 2
        assert counted.drops == counted.kernel["ListenDrops"] == drops_of_ss(namespace)


def test_restarts_and_workers_lose_nothing(namespace: Namespace) -> None:
    """The sum is the kernel's, while listeners of one port come and go."""
    with inside(namespace.path):
        sampler = make_sampler(Settings(source="netlink"))
        sampler.take_snapshot()
        before = 0.0
        for workers in (1, 3, 2):
            with ExitStack() as stack:
                for _ in range(workers):
                    stack.enter_context(closing(listen(1)))
                knock(deaf=False)
                counted = count(namespace, sampler)
                assert counted.drops == counted.kernel["ListenDrops"] > before
                before = counted.drops
        assert count(namespace, sampler).drops == before


def test_who_listens(namespace: Namespace) -> None:
    """Its unit is known without any privilege."""
    with made_cgroup(SERVICE) as cgroup, leaking([*namespace.command(), *enter(cgroup)]) as leaker:
        leaker.tell("leak 40000")
        settings = Settings(source="netlink", owners=Owners(by="unit"), cpu_budget=1.0)
        with inside(namespace.path):
            found = make_sampler(settings).take_snapshot().samples["netstat_listener_info"]
    key = ListenerInfoKey("tcp", "ipv4", str(IPP), "ipp", "loopback", "web-shop.service")
    assert found == {key: 1}
