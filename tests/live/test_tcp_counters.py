"""What happens to real connections is what the counters have grown by."""

import socket
from collections.abc import Callable
from contextlib import suppress

import pytest

from exporter.sampling.sampler import Sampler
from tests.support.live.connections import ABORT
from tests.support.live.namespace import Namespace, inside
from tests.support.live.sampling import make_sampler

pytestmark = pytest.mark.live

ADDRESS = "127.0.0.1"
NUMBER = 7
METRICS = {
    "opened": "netstat_tcp_connections_opened_total",
    "accepted": "netstat_tcp_connections_accepted_total",
    "failed": "netstat_tcp_connection_attempts_failed_total",
    "reset": "netstat_tcp_connections_reset_total",
    "retransmitted": "netstat_tcp_segments_retransmitted_total",
}


def growth(sampler: Sampler, happens: Callable[[], None]) -> dict[str, float]:
    """Return by how much the counters have grown when something has happened, without zeros."""
    before = sampler.take_snapshot().samples
    happens()
    after = sampler.take_snapshot().samples
    grown = {name: after[metric][()] - before[metric][()] for name, metric in METRICS.items()}
    return {name: number for name, number in grown.items() if number}


def test_counters_are_what_happened(namespace: Namespace) -> None:
    """Connections that are opened and closed, refused, and reset; nothing is sent again on a loopback."""

    def visit() -> None:
        for _ in range(NUMBER):
            with socket.create_connection(listener.getsockname()), listener.accept()[0]:
                pass

    def be_refused() -> None:
        for _ in range(NUMBER):
            with suppress(ConnectionRefusedError):
                socket.create_connection((ADDRESS, 9))

    def reset() -> None:
        for _ in range(NUMBER):
            with socket.create_connection(listener.getsockname()) as client, listener.accept()[0]:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
                client.close()

    with inside(namespace.path), socket.create_server((ADDRESS, 0)) as listener:
        sampler = make_sampler()
        assert growth(sampler, visit) == {"opened": NUMBER, "accepted": NUMBER}
        assert growth(sampler, be_refused) == {"opened": NUMBER, "failed": NUMBER}
        found = growth(sampler, reset)
        assert found.pop("reset") >= NUMBER  # the kernel may count both ends
        assert found == {"opened": NUMBER, "accepted": NUMBER}
