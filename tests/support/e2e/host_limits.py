"""Reach the limits that a kernel has but once, until every alert on them has fired.

They are of no network namespace, and beyond them the connections of everybody are reset: this is for a kernel
of its own, see tests/support/live/own_kernel.py.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.daemon import running_daemon
from tests.support.e2e.hurry import write_hurried_alerts
from tests.support.patience import wait_until
from tests.support.prometheus import running_prometheus

FIRED_BY_HOST_LIMITS = frozenset(
    {
        ("NetstatOrphansNearLimit", "warning"),
        ("NetstatTcpMemoryPressure", "warning"),
        ("NetstatTcpMemoryPressure", "critical"),
        ("NetstatMemoryAborts", "warning"),
        ("NetstatMemoryAborts", "critical"),
    }
)

DIVISOR = 90
CONFIG = "interval: 500ms\ncpu_budget: 1\n"
SCRAPE_INTERVAL = "750ms"  # a scrape that is late is lost, and with it the time that an alert has waited
PATIENCE_SECONDS = 120  # 35 are enough on a quiet machine
PAUSE_SECONDS = 0.2

LOOPBACK = "127.0.0.1"
MOST_ORPHANS = 8
MOST_PAGES = 6144
ENOUGH_PAGES = MOST_PAGES * 7 // 8
SYSCTLS = {
    "tcp_max_orphans": f"{MOST_ORPHANS}",
    "tcp_mem": f"{MOST_PAGES * 3 // 6} {MOST_PAGES * 4 // 6} {MOST_PAGES}",
}


def take_memory() -> Iterator[None]:
    """Keep what clients do not read, until it is nearly all that there may be."""
    kept = []
    with socket.create_server((LOOPBACK, 0)) as listener:
        while True:
            if read_pages() < ENOUGH_PAGES:
                kept.append(send_in_vain(listener))
            yield


def leave_orphans() -> Iterator[None]:
    """Close what clients have not read; a client that goes takes its orphan along."""
    clients = []
    with socket.create_server((LOOPBACK, 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        while True:
            client, server = send_in_vain(listener)
            server.close()
            clients.append(client)
            del clients[: -2 * MOST_ORPHANS]
            yield


def send_in_vain(listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Send as much as a server may to a client that never reads, and has no room."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    client.connect(listener.getsockname())
    server, _ = listener.accept()
    server.setblocking(False)  # noqa: FBT003
    with suppress(BlockingIOError):
        while True:
            server.send(bytes(0x10000))
    return client, server


def read_pages() -> int:
    """Return how many pages of memory TCP takes."""
    lines = Path("/proc/net/sockstat").read_text().splitlines()
    (tcp,) = (line for line in lines if line.startswith("TCP:"))
    return int(tcp.rpartition(" mem ")[2])


def main() -> None:
    """Make it worse and worse until each alert has fired; on standard output is which."""
    for name, value in SYSCTLS.items():
        Path("/proc/sys/net/ipv4", name).write_text(value)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        config = folder / "config.yaml"
        config.write_text(CONFIG)
        daemon = stack.enter_context(running_daemon(f"--config.file={config}"))
        rules = write_hurried_alerts(folder, DIVISOR)
        prometheus = stack.enter_context(
            running_prometheus(folder, daemon.port, rules=[rules], interval=SCRAPE_INTERVAL)
        )
        expected = set(FIRED_BY_HOST_LIMITS)
        troubles = take_memory(), leave_orphans()

        def all_have_fired() -> bool:
            for trouble in troubles:
                next(trouble)
            for labels in map(dict, prometheus.query('ALERTS{alertstate="firing"}')):
                alert = labels["alertname"], labels["severity"]
                if alert in expected:
                    print(*alert, flush=True)  # noqa: T201
                    expected.remove(alert)
            return not expected

        wait_until(all_have_fired, PATIENCE_SECONDS, PAUSE_SECONDS)
