"""Sockets whose peer's link goes down are counted as ss lists them, and no more when it is up again."""

import contextlib
import re
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pytest

from exporter.config.settings import Settings
from exporter.sampling.sampler import Sampler
from tests.support.daemon import parse_page, run_once
from tests.support.live.namespace import CLIENT_ADDRESSES, Namespace, inside
from tests.support.live.sampling import make_sampler, without_zeros
from tests.support.patience import wait_until

pytestmark = pytest.mark.live

PEER = CLIENT_ADDRESSES[0]
POSTGRESQL = 5432
TRIES = 3
SENDERS, PROBED, WAITERS = 6, 3, 2
WAITING = {"on": "data", "keepalive": "keepalive", "persist": "window"}
"""What ss calls the timers."""
TIMER = re.compile(r"^(\S+) .* timer:\((\w+),[^,]*,(\d+)\)", re.MULTILINE)
EXPECTED = {
    ("established", "data"): SENDERS,
    ("established", "keepalive"): PROBED,
    ("established", "window"): 1,
    ("syn_sent", "handshake"): 1,
}


@pytest.fixture
def connections(hosts: tuple[Namespace, Namespace]) -> Iterator[list[socket.socket]]:
    """Connect to a peer that reads nothing: senders, some that probe, one at a closed window, some others."""
    here, there = hosts
    make_fast(here)
    with ExitStack() as stack:
        with inside(there.path):
            listener = stack.enter_context(socket.create_server((PEER, POSTGRESQL)))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with inside(here.path):
            made = []
            for _ in range(SENDERS + PROBED + 1 + WAITERS):
                made.append(stack.enter_context(socket.create_connection((PEER, POSTGRESQL))))
                stack.enter_context(listener.accept()[0])
        yield made


def make_fast(namespace: Namespace) -> None:
    """Let the kernel try again every second or more often, for as long as it takes."""
    for name, value in (("tcp_rto_max_ms", 1000), ("tcp_retries2", 100), ("tcp_syn_retries", 100)):
        path = f"/proc/sys/net/ipv4/{name}"
        namespace.run("sh", "-c", f"if test -e {path}; then echo {value} >{path}; fi")


def begin_to_wait(connections: list[socket.socket]) -> socket.socket:
    """Make the connections wait for answers, and begin one more, which is returned."""
    for sender in connections[:SENDERS]:
        sender.send(b"?")
    return connect_later()


def connect_later() -> socket.socket:
    """Begin to connect."""
    client = socket.socket()
    client.setblocking(False)  # noqa: FBT003
    client.connect_ex((PEER, POSTGRESQL))
    return client


def probe(connections: list[socket.socket]) -> None:
    """Let some connections send keepalive probes every second, and one fill its peer's window."""
    for probed in connections[SENDERS : SENDERS + PROBED]:
        for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 100)):
            probed.setsockopt(socket.IPPROTO_TCP, option, value)
        probed.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    full = connections[SENDERS + PROBED]
    full.setblocking(False)  # noqa: FBT003
    with contextlib.suppress(BlockingIOError):
        while True:
            full.send(bytes(4096))


def counted(sampler: Sampler) -> dict[tuple[str, ...], float]:
    """Return the sockets without an answer by state and what they wait for, of the one service there is."""
    samples = without_zeros(sampler.take_snapshot().samples["netstat_unanswered_sockets"])
    assert {("tcp", "ipv4", "outbound", "5432", "postgresql")} >= {key[:5] for key in samples}
    return {key[5:]: number for key, number in samples.items()}


def listed_by_ss(namespace: Namespace) -> Mapping[tuple[str, str], int]:
    """Return what ss says of the same sockets."""
    found = Counter[tuple[str, str]]()
    for state, timer, tries in TIMER.findall(namespace.run("ss", "--no-header", "-tno")):
        if int(tries) >= TRIES and timer in WAITING:
            found[("syn_sent", "handshake") if state == "SYN-SENT" else ("established", WAITING[timer])] += 1
    return found


def counted_by_nobody(namespace: Namespace, unprivileged: list[str]) -> dict[tuple[str, ...], float]:
    """Return the same as a user without privileges has it."""
    page = parse_page(run_once("--once", prefix=[*namespace.command(), *unprivileged]).stdout)
    return {
        (dict(labels)["state"], dict(labels)["waiting"]): number
        for (name, labels), number in page.items()
        if name == "netstat_unanswered_sockets" and number
    }


def test_peer_whose_link_goes_down(
    hosts: tuple[Namespace, Namespace],
    connections: list[socket.socket],
    unprivileged: list[str],
    ss: None,
) -> None:
    """6 wait for data, 3 for keepalives, 1 for a window, 1 for a handshake, and none when it is back."""
    del ss
    here, there = hosts
    hold_neighbour(here, there)
    with inside(here.path):
        samplers = [make_sampler(Settings(source=source)) for source in ("procfs", "netlink")]
        probe(connections)
        settled: list[bool] = []

        def is_settled() -> bool:  # the peer's window opens and closes for a while
            text = here.run("ss", "-tno")
            settled.append("(persist," in text and "(on," not in text)
            return settled[-4:] == [True] * 4

        wait_until(is_settled, pause_seconds=0.2)
        assert [counted(sampler) for sampler in samplers] == [{}, {}]
        there.run("ip", "link", "set", "eth0", "down")
        with begin_to_wait(connections) as connecting:
            wait_until(lambda: listed_by_ss(here) == EXPECTED, 30)
            assert [counted(sampler) for sampler in samplers] == [EXPECTED, EXPECTED]
            assert counted_by_nobody(here, unprivileged) == EXPECTED
            there.run("ip", "link", "set", "eth0", "up")
            wait_until(lambda: listed_by_ss(here) == {}, 30)
            assert [counted(sampler) for sampler in samplers] == [{}, {}]
            assert connecting.getpeername() == (PEER, POSTGRESQL)
            shown = samplers[1].take_snapshot().samples["netstat_unanswered_sockets"]
            assert {key[5:] for key in shown} == EXPECTED.keys()


def hold_neighbour(here: Namespace, there: Namespace) -> None:
    """Know the peer's link address for good: a host that cannot be found ends connections at once."""
    link = there.run("ip", "-oneline", "link", "show", "eth0")
    address = re.findall(r"link/ether (\S+)", link)[0]
    here.run("ip", "neigh", "replace", PEER, "lladdr", address, "dev", "eth0", "nud", "permanent")
