"""A burst between two scrapes is on the page of both."""

import socket
from contextlib import ExitStack
from dataclasses import replace

import pytest

from exporter.kernel.procfs import Procfs
from exporter.sampling.sampler import Sampler
from exporter.sampling.snapshot import Snapshot, SocketKey
from tests.support.live.connections import make_deaf, wait_until
from tests.support.live.namespace import Namespace, inside
from tests.support.sampling.watched import SETTINGS

pytestmark = pytest.mark.live

SO_DETACH_FILTER = 27
ADDRESS = ("127.0.0.1", 631)


def counts_of(snapshot: Snapshot, state: str) -> tuple[int, float]:
    """Return the newest count and the peak of a state, of the listener's side."""
    key = SocketKey("tcp", "ipv4", state, "inbound", "631", "ipp")
    return snapshot.sockets[key], snapshot.measures["sockets_peak"][key]


def test_burst_of_close_wait(namespace: Namespace) -> None:
    """Clients hang up, and a slow server notices only between two scrapes."""
    with inside(namespace.path), ExitStack() as held:
        sampler = Sampler(Procfs(), replace(SETTINGS, tables=("tcp",)))
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
        sampler = Sampler(Procfs(), replace(SETTINGS, tables=("tcp",)))
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
