"""A real Prometheus scrapes the running daemon, and finds the sockets that are really there."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.daemon import running_daemon
from tests.support.patience import wait_until
from tests.support.prometheus import Prometheus, running_prometheus

LEAKED = 7
CONFIG = """
interval: 100ms
cpu_budget: 1
namespaces: {{enabled: false}}
ports: {{names: {{{port}: leaky}}}}
"""


@contextmanager
def leaking(listener: socket.socket) -> Iterator[None]:
    """Leave connections in CLOSE_WAIT on the side that accepted them, until the end of the block."""
    with ExitStack() as stack:
        for _ in range(LEAKED):
            client = stack.enter_context(socket.create_connection(listener.getsockname()))
            stack.enter_context(listener.accept()[0])
            client.shutdown(socket.SHUT_WR)
        yield


def wait_for(prometheus: Prometheus, expression: str, value: float) -> dict[str, str]:
    """Wait until an expression has one series with this value, and return its labels.

    There is none after a scrape that took too long.
    """
    found: list[frozenset[tuple[str, str]]] = []

    def is_found() -> bool:
        answer = prometheus.query(expression)
        found[:] = answer
        return list(answer.values()) == [value]

    wait_until(is_found)
    return dict(found[0])


def test_prometheus_stores_the_counts_of_real_sockets(tmp_path: Path) -> None:
    """``up`` is 1, no sample is dropped, and a leak and the end of it are seen."""
    leaked = 'netstat_sockets{port_name="leaky",state="close_wait",direction="inbound"}'
    config = tmp_path / "config.yaml"
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        config.write_text(CONFIG.format(port=listener.getsockname()[1]))
        daemon = stack.enter_context(running_daemon(f"--config.file={config}"))
        prometheus = stack.enter_context(running_prometheus(tmp_path, daemon.port))
        wait_for(prometheus, "up", 1)
        with leaking(listener):
            labels = wait_for(prometheus, leaked, LEAKED)
        assert {"protocol": "tcp", "family": "ipv4"}.items() <= labels.items()
        wait_for(prometheus, leaked, 0)
        wait_for(prometheus, "scrape_samples_scraped - scrape_samples_post_metric_relabeling and up == 1", 0)
        wait_for(prometheus, "min(netstat_exporter_table_success)", 1)
