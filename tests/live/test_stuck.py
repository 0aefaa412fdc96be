"""The age of a real socket grows as long as it is leaked, and is never that of another."""

import signal
import time
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest

from exporter.kernel.procfs import Procfs
from exporter.sampling.sampler import Sampler
from exporter.sampling.snapshot import Snapshot, SocketKey
from exporter.sampling.stuck import OLDEST_AGE, STUCK_SOCKETS
from tests.support.daemon import Daemon, running_daemon
from tests.support.live.leaker import leaking
from tests.support.live.namespace import Namespace, inside
from tests.support.patience import wait_until
from tests.support.sampling.watched import SETTINGS

pytestmark = pytest.mark.live

LEAK = SocketKey("tcp", "ipv4", "close_wait", "outbound", "631", "ipp")
LEAKED_FROM = 40000


class TextOnly(Procfs):
    """A procfs of which it cannot be told whose network namespace it shows."""

    def shows_own_namespace(self) -> bool:
        """Tell that netlink is of no use."""
        return False


def age_of(snapshot: Snapshot) -> float | None:
    """Return the age of the oldest leak."""
    return snapshot.measures[OLDEST_AGE].get(LEAK)


def age_told(daemon: Daemon) -> float:
    """Return the age that a daemon has on its page."""
    return daemon.samples()["netstat_oldest_socket_age_seconds", frozenset(LEAK._asdict().items())]


@pytest.mark.parametrize("procfs", [Procfs, TextOnly])
def test_age_of_a_leak(namespace: Namespace, procfs: type[Procfs]) -> None:
    """It grows, survives a reload, ends with the socket, and begins anew with the next of the same ports."""
    settings = replace(SETTINGS, stuck_after_seconds=1e-6)
    with leaking(namespace.command()) as leaker, inside(namespace.path):
        sampler = Sampler(procfs(), settings)
        leaker.tell(f"leak {LEAKED_FROM}")
        before = time.monotonic()
        assert age_of(sampler.take_snapshot()) == 0
        sampler.change_settings(replace(settings, tables=("tcp", "tcp6"), stuck_limit=7))
        grown = sampler.take_snapshot()
        assert 0 < (age_of(grown) or 0) < time.monotonic() - before
        assert grown.measures[STUCK_SOCKETS][LEAK] == 1
        leaker.tell("drop")
        leaker.tell(f"leak {LEAKED_FROM}")
        renewed = sampler.take_snapshot()
        assert age_of(renewed) == 0 == renewed.measures[STUCK_SOCKETS][LEAK]
        leaker.tell(f"leak {LEAKED_FROM + 1}")
        assert sampler.take_snapshot().measures[STUCK_SOCKETS][LEAK] == 1
        leaker.tell("drop")
        gone = sampler.take_snapshot()
        assert age_of(gone) == 0 == gone.measures[STUCK_SOCKETS][LEAK]


def test_age_survives_a_reload_of_the_daemon(namespace: Namespace, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("interval: 100ms\ncpu_budget: 1\n")
    with leaking(namespace.command()) as leaker:
        leaker.tell(f"leak {LEAKED_FROM}")
        with running_daemon(f"--config.file={config}", prefix=namespace.command(), ready=False) as daemon:
            with inside(namespace.path):
                wait_until(lambda: daemon.ask("/-/ready").status == HTTPStatus.OK and age_told(daemon) > 0)
                before = age_told(daemon)
            config.write_text("interval: 200ms\ncpu_budget: 1\nstuck: {after: 2m, limit: 9}\n")
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_for("configuration reloaded")
            with inside(namespace.path):
                wait_until(lambda: age_told(daemon) != before)
                assert age_told(daemon) > before
