"""A service is what listens: connections at its port are inbound, and each accept queue counts by itself."""

import socket
from contextlib import ExitStack

import pytest

from exporter.config.settings import Settings
from exporter.sampling.labels import ListenerKey, Samples, SocketKey
from tests.support.live.namespace import Namespace, inside
from tests.support.live.sampling import make_sampler, set_sysctl, without_zeros

pytestmark = pytest.mark.live

HTTPS, GAME, DOMAIN = 8443, 4433, 53
ADDRESS = "127.0.0.1"
WORKERS, BACKLOG = 4, 10
EPHEMERAL = 48326


def of_state(samples: Samples, *, protocol: str, state: str) -> dict[tuple[str, str], float]:
    """Return the sockets of a protocol in a state, by direction and port, without the zeros."""
    keys = [SocketKey(*labels) for labels in without_zeros(samples)]
    return {
        (key.direction, key.port): samples[key]
        for key in keys
        if (key.protocol, key.state) == (protocol, state)
    }


@pytest.mark.parametrize("source", ["netlink", "procfs"])
def test_fullest_accept_queue_of_workers_counts(namespace: Namespace, source: str) -> None:
    """One of the workers that share a port hangs: the others' queues, which are empty, do not hide it."""
    set_sysctl(namespace, "tcp_abort_on_overflow", 1)  # nobody waits for a queue that is full
    with inside(namespace.path), ExitStack() as held:
        workers = [held.enter_context(socket.socket()) for _ in range(WORKERS)]
        for worker in workers:
            worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            worker.bind((ADDRESS, HTTPS))
            worker.listen(BACKLOG)
            worker.settimeout(0)
        accepted = [0] * WORKERS
        for _ in range(200):
            client = held.enter_context(socket.socket())
            client.settimeout(0)
            client.connect_ex((ADDRESS, HTTPS))
            for number, worker in enumerate(workers[1:], start=1):
                accepted[number] += accept_all(worker, held)
        samples = make_sampler(Settings(source=source)).take_snapshot().samples
        waiting = accept_all(workers[0], held)
    assert all(accepted[1:])
    assert waiting == BACKLOG + 1  # listen(n) lets n + 1 wait
    key = ListenerKey("tcp", "ipv4", str(HTTPS), "https-alt")
    assert samples["netstat_accept_queue_length"][key] == waiting
    assert samples["netstat_accept_queue_limit"][key] == WORKERS * BACKLOG
    assert samples["netstat_accept_queue_utilization_ratio"][key] == waiting / BACKLOG


def accept_all(listener: socket.socket, held: ExitStack) -> int:
    """Accept what waits, and return how many did."""
    number = 0
    while True:
        try:
            held.enter_context(listener.accept()[0])
        except BlockingIOError:
            return number
        number += 1


@pytest.mark.parametrize("source", ["netlink", "procfs"])
def test_udp_server_with_connected_sockets(namespace: Namespace, source: str) -> None:
    """Its sockets for each client are inbound, and clients outbound, whatever ports they have."""
    with inside(namespace.path), ExitStack() as held:
        server = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((ADDRESS, GAME))
        for number in range(3):
            client = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            client.connect((ADDRESS, GAME))
            session = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            session.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            session.bind((ADDRESS, GAME))
            session.connect(client.getsockname() if number else (ADDRESS, DOMAIN))
        samples = make_sampler(Settings(source=source)).take_snapshot().samples["netstat_sockets"]
    inbound, outbound = ("inbound", str(GAME)), ("outbound", str(GAME))
    assert of_state(samples, protocol="udp", state="established") == {inbound: 3, outbound: 3}
    assert of_state(samples, protocol="udp", state="unconnected") == {inbound: 1}


def test_listener_in_the_ephemeral_range(namespace: Namespace) -> None:
    """It is a service as soon as it has connections, and they are inbound though its port is ephemeral."""
    with inside(namespace.path), ExitStack() as held:
        listener = held.enter_context(socket.create_server((ADDRESS, EPHEMERAL)))
        for _ in range(3):
            held.enter_context(socket.create_connection(listener.getsockname()))
        samples = make_sampler().take_snapshot().samples["netstat_sockets"]
    port = str(EPHEMERAL)
    assert of_state(samples, protocol="tcp", state="listen") == {("inbound", port): 1}
    assert of_state(samples, protocol="tcp", state="established") == {
        ("inbound", port): 3,
        ("outbound", port): 3,
    }


def test_nameless_remote_port_is_outbound(namespace: Namespace) -> None:
    """As is one whose listener is gone on this host: an ephemeral local port tells who opened it."""
    with inside(namespace.path), ExitStack() as held:
        with socket.create_server((ADDRESS, 18086)) as listener:
            for _ in range(2):
                held.enter_context(socket.create_connection(listener.getsockname()))
                held.enter_context(listener.accept()[0])
        samples = make_sampler().take_snapshot().samples["netstat_sockets"]
    assert of_state(samples, protocol="tcp", state="established") == {
        ("inbound", "18086"): 2,
        ("outbound", "18086"): 2,
    }
