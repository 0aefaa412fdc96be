"""The daemon tells the service manager the truth, and whoever the manager is, it fails for none."""

import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from exporter.config.loader import parse
from exporter.kernel.procfs import Procfs
from exporter.notify import notify
from exporter.sampling.sampler import Sampler
from exporter.sampling.services.names import name_ports
from tests.support.daemon import Daemon, running_daemon
from tests.support.service_manager import Manager, listening_manager

WATCHDOG_SECONDS = 30
INTERVAL_SECONDS = 0.1
TIMEOUT_SECONDS = 3
CONFIG = f"""
interval: 100ms
cpu_budget: 1
timeout: {TIMEOUT_SECONDS}s
tables: [tcp, udp]
namespaces: {{enabled: false}}
"""
LONGEST_PASS_SECONDS = Sampler(
    Procfs(), parse(CONFIG.encode(), "config.yaml"), name_ports({}, b"")
).longest_pass_seconds


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Manager]:
    """Listen where NOTIFY_SOCKET says, by both kinds of names."""
    with listening_manager(str(tmp_path / "notify") if request.param == "path" else "") as listening:
        monkeypatch.setenv("NOTIFY_SOCKET", listening.name)
        yield listening


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Make a configuration file with short passes."""
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    return file


@contextmanager
def watched_daemon(config: Path, process_id: str = "") -> Iterator[Daemon]:
    """Run the daemon under a watchdog, which watches that process or any."""
    # A shell's process becomes the daemon's, whose number the manager knows before it starts.
    variables = f"WATCHDOG_USEC={WATCHDOG_SECONDS * 1_000_000} WATCHDOG_PID={process_id or '$$'}"
    prefix = ("sh", "-c", f'export {variables}; exec "$@"', "sh")
    with running_daemon(f"--config.file={config}", prefix=prefix) as daemon:
        yield daemon


def test_it_is_ready_once_there_is_a_snapshot(manager: Manager, config: Path) -> None:
    with running_daemon(f"--config.file={config}", ready=False) as daemon:
        message = manager.next()
        assert daemon.ask("/-/ready").status == 200
        assert message["READY"] == "1"
        assert "Tables: 2 of 2, read in " in message["STATUS"]
        assert "READY" not in manager.next()


def test_a_reload_is_told_from_its_begin_to_its_end(manager: Manager, config: Path) -> None:
    """Also one that fails, which the status then says until one succeeds."""
    with running_daemon(f"--config.file={config}") as daemon:
        for text, complaint in ((CONFIG, False), ("interval: no\n", True), (CONFIG, False)):
            config.write_text(text)
            began = time.monotonic_ns() // 1000
            daemon.process.send_signal(signal.SIGHUP)
            assert began <= int(manager.wait_for(RELOADING="1")["MONOTONIC_USEC"])
            manager.wait_for(READY="1")
            status = manager.next()["STATUS"]
            assert complaint == ("The configuration was wrong" in status)


def test_it_tells_that_it_stops(manager: Manager, config: Path) -> None:
    with running_daemon(f"--config.file={config}") as daemon:
        daemon.process.terminate()
        manager.wait_for(STOPPING="1")


def test_the_watchdog_is_fed_by_passes_and_waits_out_the_pause(manager: Manager, config: Path) -> None:
    """What comes late is counted from when the next pass is due, however long it is until then."""
    config.write_text(CONFIG.replace("100ms", "1h"))
    with watched_daemon(config) as daemon:
        due_seconds = 3600 + LONGEST_PASS_SECONDS
        patience = str(round((WATCHDOG_SECONDS + due_seconds) * 1e6))
        assert manager.next().items() >= {"WATCHDOG": "1", "WATCHDOG_USEC": patience}.items()
        config.write_text(CONFIG)
        daemon.process.send_signal(signal.SIGHUP)
        patience = str(round((WATCHDOG_SECONDS + LONGEST_PASS_SECONDS + INTERVAL_SECONDS) * 1e6))
        for _ in range(3):
            manager.wait_for(WATCHDOG="1", WATCHDOG_USEC=patience)


def test_nothing_but_passes_feeds_the_watchdog(manager: Manager, config: Path) -> None:
    """Neither scrapes nor a configuration that changes nothing prove that sockets are counted."""
    config.write_text(CONFIG.replace("100ms", "1h"))
    with watched_daemon(config) as daemon:
        manager.wait_for(WATCHDOG="1")
        config.write_text("interval: no\n")
        daemon.process.send_signal(signal.SIGHUP)
        manager.wait_for(RELOADING="1")
        assert manager.next() == {"READY": "1"}
        daemon.ask()
        assert daemon.stop()[0] == 0
    assert manager.next() == {"STOPPING": "1"}
    assert not select.select([manager], [], [], 0)[0]


def test_the_watchdog_of_another_process_is_not_ours(manager: Manager, config: Path) -> None:
    with watched_daemon(config, process_id="1"):
        assert "WATCHDOG" not in manager.next()
        assert "WATCHDOG" not in manager.next()


@pytest.mark.parametrize("name", ["", "/nowhere/notify", "@nobody", "relative", "vsock:2:9", "/" + "x" * 200])
def test_no_manager_is_no_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    notify("READY=1")


def test_a_manager_that_does_not_read_is_not_waited_for(manager: Manager) -> None:
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with filler, suppress(BlockingIOError):
        filler.setblocking(False)  # noqa: FBT003 - the standard library names no keyword
        while True:
            filler.sendto(b"X=1", manager.getsockname())
    notify("READY=1")
    assert manager.next() == {"X": "1"}
