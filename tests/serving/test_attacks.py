"""Whatever one client does, Prometheus is served from another address, in little memory and few log lines."""

import errno
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import psutil
import pytest

from tests.support.attackers import ATTACKS
from tests.support.daemon import PATIENCE_SECONDS, ROOT, Daemon, parse_page, running_daemon
from tests.support.patience import wait_until

pytestmark = pytest.mark.long

SCRAPES = 100
SERVED = 0.99
LARGEST_GROWTH_BYTES = 20 << 20
MOST_LINES = 20
MOST_SECONDS_TO_END = 5
MEDIAN_SECONDS = 0.1  # the 99th percentile on a machine of one's own; tests share theirs


@contextmanager
def attacking(name: str, port: int, pause_seconds: float = 0) -> Iterator[None]:
    """Attack a daemon."""
    command = [sys.executable, "-m", "tests.support.attackers", name, str(port), str(pause_seconds)]
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),  # noqa: PLW1509
    ) as process:
        try:
            yield
        finally:
            process.kill()


def resident_bytes(daemon: Daemon) -> int:
    """Return what the daemon takes of memory."""
    return int(psutil.Process(daemon.process.pid).memory_info().rss)


def is_under_attack(daemon: Daemon) -> bool:
    """Tell whether the attacker's connections have come."""
    connections = psutil.Process(daemon.process.pid).net_connections("tcp")
    return any(one.raddr[:1] == ("127.0.0.2",) for one in connections)


@pytest.mark.parametrize("name", ATTACKS)
def test_scrapes_from_another_address_are_served(name: str) -> None:
    with running_daemon() as daemon:
        assert daemon.ask().status == 200
        before = resident_bytes(daemon)
        with attacking(name, daemon.port):
            wait_until(lambda: is_under_attack(daemon))
            statuses, seconds, most = [], [], before
            for _ in range(SCRAPES):
                began = time.monotonic()
                statuses.append(daemon.ask().status)
                seconds.append(time.monotonic() - began)
                most = max(most, resident_bytes(daemon))
                time.sleep(0.02)
            assert daemon.ask("/-/healthy").status == 200
            began = time.monotonic()
            code, log = daemon.stop()
        ended_seconds = time.monotonic() - began
    assert statuses.count(200) >= SERVED * SCRAPES
    assert median(seconds) < MEDIAN_SECONDS
    assert most - before < LARGEST_GROWTH_BYTES
    assert log.count("\n") < MOST_LINES
    assert 'level": "error' not in log
    assert code == 0
    assert ended_seconds < MOST_SECONDS_TO_END


def rejected(daemon: Daemon, what: str, reason: str) -> float:
    """Return how many connections or requests were turned away for a reason."""
    name = f"netstat_exporter_http_{what}_rejected_total"
    return parse_page(daemon.ask().body.decode())[name, frozenset({("reason", reason)})]


@pytest.mark.parametrize(
    ("name", "what", "reason"),
    [
        ("idle", "connections", "client_limit"),
        ("many headers", "requests", "too_large"),
        ("no HTTP", "requests", "malformed"),
        ("HTTP/2", "requests", "http_version"),
        ("unread answers", "connections", "slow_reader"),
        ("trickle", "connections", "slow_request"),
    ],
)
def test_who_is_turned_away_is_counted(name: str, what: str, reason: str) -> None:
    with running_daemon() as daemon, attacking(name, daemon.port):
        wait_until(lambda: rejected(daemon, what, reason) > 0)


def test_a_system_without_descriptors_is_told_once_and_serves_again_at_once() -> None:
    """EMFILE: accept() is tried once a second, and the log has one line, not one for each."""
    with running_daemon() as daemon:
        process = psutil.Process(daemon.process.pid)
        limits = process.rlimit(psutil.RLIMIT_NOFILE)
        wait_until(lambda: process.num_fds() < 20)
        process.rlimit(psutil.RLIMIT_NOFILE, (3, limits[1]))
        clients = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(20)]
        event = daemon.wait_for("cannot accept connections, retrying")
        assert event["error"] == os.strerror(errno.EMFILE)
        before = sum(process.cpu_times()[:2])
        time.sleep(2.5)  # two more attempts
        assert sum(process.cpu_times()[:2]) - before < 0.5
        process.rlimit(psutil.RLIMIT_NOFILE, limits)
        assert daemon.ask().status == 200
        for client in clients:
            client.close()
        code, log = daemon.stop(signal.SIGTERM)
    assert code == 0
    assert log.count("cannot accept") == 0
    assert log.count("connections again") == 1


def test_probes_are_answered_while_scrapes_are_turned_away() -> None:
    """With one request at a time, a crowd gets 503 where it comes at one moment, and health never does."""
    with running_daemon("--web.max-requests=1") as daemon, attacking("pipelined scrapes", daemon.port):
        wait_until(lambda: is_under_attack(daemon))
        statuses = [daemon.ask(path).status for path in ("/-/healthy", "/-/ready") for _ in range(50)]
        assert set(statuses) == {200}


def test_a_daemon_that_is_stopped_waits_for_no_client() -> None:
    with running_daemon() as daemon, attacking("unread answers", daemon.port):
        wait_until(lambda: is_under_attack(daemon))
        daemon.process.terminate()
        assert daemon.process.wait(PATIENCE_SECONDS) == 0
