"""The age of a real socket grows as long as it is leaked, and is never that of another."""

import signal
import socket
import sys
import time
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest

from exporter.config.settings import Ages, Settings, Tracked
from exporter.kernel.procfs import Procfs
from exporter.sampling.labels import SocketKey
from exporter.sampling.snapshot import Snapshot
from tests.support.daemon import Daemon, running_daemon
from tests.support.live.leaker import leaking
from tests.support.live.namespace import Namespace, inside
from tests.support.live.sampling import NAMES, make_sampler
from tests.support.patience import wait_until

pytestmark = pytest.mark.live

LEAK = SocketKey("tcp", "ipv4", "close_wait", "outbound", "631", "ipp")
IPP = 631
LEAKED_FROM = 40000
LAST_ACK_RECEIVED_AT = 56  # tcpi_last_ack_recv in struct tcp_info


class TextOnly(Procfs):
    """A procfs of which it cannot be told whose network namespace it shows."""

    def shows_own_namespace(self) -> bool:
        """Tell that netlink is of no use."""
        return False


def age_of(snapshot: Snapshot) -> float | None:
    """Return the age of the oldest leak."""
    return snapshot.samples["netstat_oldest_socket_age_seconds"].get(LEAK)


def last_segment_seconds(client: socket.socket) -> float:
    """Return how long ago the last segment came, by TCP_INFO."""
    info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_ACK_RECEIVED_AT + 4)
    return int.from_bytes(info[LAST_ACK_RECEIVED_AT:], sys.byteorder) / 1000


def count_stuck(snapshot: Snapshot) -> float:
    """Return how many leaks are stuck."""
    return snapshot.samples["netstat_stuck_sockets"][LEAK]


def shown_age(daemon: Daemon) -> float:
    """Return the age that a daemon has on its page, 0 for none."""
    return daemon.samples().get(("netstat_oldest_socket_age_seconds", frozenset(LEAK._asdict().items())), 0)


@pytest.mark.parametrize("procfs", [Procfs, TextOnly])
def test_age_of_a_leak(namespace: Namespace, procfs: type[Procfs]) -> None:
    """It grows, survives a reload, ends with the socket, and starts again with the next of the same ports."""
    settings = Settings(ages=Ages(stuck_after_seconds=1e-6))
    with leaking(namespace.command()) as leaker, inside(namespace.path):
        sampler = make_sampler(settings, procfs())
        leaker.tell(f"leak {LEAKED_FROM}")
        before = time.monotonic()
        assert age_of(sampler.take_snapshot()) is None
        sampler.change_settings(replace(settings, tables=("tcp", "tcp6"), tracked=Tracked(limit=7)), NAMES)
        grown = sampler.take_snapshot()
        assert 0 < (age_of(grown) or 0) < time.monotonic() - before
        assert count_stuck(grown) == 1
        leaker.tell("drop")
        sampler.take_snapshot()
        leaker.tell(f"leak {LEAKED_FROM}")
        renewed = sampler.take_snapshot()
        assert age_of(renewed) == 0 == count_stuck(renewed)
        leaker.tell(f"leak {LEAKED_FROM + 1}")
        assert count_stuck(sampler.take_snapshot()) == 1
        leaker.tell("drop")
        gone = sampler.take_snapshot()
        assert age_of(gone) == 0 == count_stuck(gone)


def test_age_of_what_is_older_than_the_exporter(namespace: Namespace) -> None:
    """From the second pass on it is the time since the last segment, by TCP_INFO, rounded down."""
    with (
        inside(namespace.path),
        socket.create_server(("127.0.0.1", IPP)) as server,
        socket.create_connection(("127.0.0.1", IPP), source_address=("127.0.0.1", LEAKED_FROM)) as client,
    ):
        server.accept()[0].close()
        wait_until(lambda: last_segment_seconds(client) >= 1)
        sampler = make_sampler(Settings(), Procfs())
        assert age_of(sampler.take_snapshot()) is None
        assert 1 <= (age_of(sampler.take_snapshot()) or 0) <= last_segment_seconds(client)


def test_age_survives_a_reload_of_the_daemon(namespace: Namespace, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("interval: 100ms\ncpu_budget: 1\n")
    with leaking(namespace.command()) as leaker:
        leaker.tell(f"leak {LEAKED_FROM}")
        with running_daemon(f"--config.file={config}", prefix=namespace.command(), ready=False) as daemon:
            with inside(namespace.path):
                wait_until(lambda: daemon.ask("/-/ready").status == HTTPStatus.OK and shown_age(daemon) > 0)
                before = shown_age(daemon)
            config.write_text(
                "interval: 200ms\ncpu_budget: 1\nages: {stuck_after: 2m}\ntracked: {limit: 9}\n"
            )
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_for("configuration reloaded")
            with inside(namespace.path):
                wait_until(lambda: shown_age(daemon) != before)
                assert shown_age(daemon) > before
