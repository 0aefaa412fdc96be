"""A burst between two scrapes is on the page of both."""

import socket
from contextlib import ExitStack

import pytest

from exporter.config.settings import Settings
from exporter.sampling.labels import SocketKey
from exporter.sampling.snapshot import Snapshot
from tests.support.live.connections import make_deaf, wait_until
from tests.support.live.namespace import Namespace, inside
from tests.support.live.sampling import make_sampler

pytestmark = pytest.mark.live

SO_DETACH_FILTER = 27
ADDRESS = ("127.0.0.1", 631)


def counts_of(snapshot: Snapshot, state: str) -> tuple[float, float]:
    """Return the newest count and the peak of a state, of the listener's side."""
    key = SocketKey("tcp", "ipv4", state, "inbound", "631", "ipp")
    return snapshot.samples["netstat_sockets"][key], snapshot.samples["netstat_sockets_peak"].get(key, 0)


def test_burst_of_close_wait(namespace: Namespace) -> None:
    """Clients hang up, and a slow server notices only between two scrapes."""
    with inside(namespace.path), ExitStack() as held:
        sampler = make_sampler(Settings(tables=("tcp",)))
        listener = held.enter_context(socket.create_server(ADDRESS))
        assert counts_of(sampler.take_snapshot(), "close_wait") == (0, 0)
        for clients in (30, 10):
            with ExitStack() as burst:
                for _ in range(clients):
                    socket.create_connection(ADDRESS).close()
                    burst.enter_context(listener.accept()[0]).recv(1)
                assert counts_of(sampler.take_snapshot(), "close_wait") == (clients, 30)
            assert counts_of(sampler.take_snapshot(), "close_wait") == (0, 30)


def test_burst_of_syn_recv(namespace: Namespace) -> None:
    """Clients that do not hear the answer leave the listener waiting, until they do."""
    with inside(namespace.path), ExitStack() as held:
        sampler = make_sampler(Settings(tables=("tcp",)))
        held.enter_context(socket.create_server(ADDRESS, backlog=64))
        clients = [held.enter_context(socket.socket()) for _ in range(20)]
        for client in clients:
            client.settimeout(0)
            make_deaf(client)
            client.connect_ex(ADDRESS)
        assert counts_of(sampler.take_snapshot(), "syn_recv") == (20, 20)
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        wait_until(lambda: counts_of(sampler.take_snapshot(), "syn_recv") == (0, 20))
