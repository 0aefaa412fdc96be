"""The daemon waits for what passes by itself, and heeds signals from the first moment on."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.support.daemon import COMMAND, PATIENCE_SECONDS, ROOT, Daemon, run_once, running_daemon
from tests.support.patience import wait_until


def start(*flags: str, environment: Sequence[tuple[str, str]] = ()) -> "subprocess.Popen[str]":
    """Start the daemon, and do not wait for it."""
    return subprocess.Popen(
        [*COMMAND, "--log.format=json", *flags],
        cwd=ROOT,
        env={**os.environ, **dict(environment)},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_address_that_only_a_person_can_mend_ends_it_with_2() -> None:
    expected = {
        "9068": "'9068' is not :PORT, HOST:PORT or [IPV6]:PORT",
        "::1:9068": "'::1:9068' is not :PORT, HOST:PORT or [IPV6]:PORT",
        "[127.0.0.1:9068": "'[127.0.0.1:9068' is not :PORT, HOST:PORT or [IPV6]:PORT",
        ":99999": "':99999' is not :PORT, HOST:PORT or [IPV6]:PORT",
        "[fe80::x%absent0]:9068": "[fe80::x%absent0]:9068: Name or service not known",
    }
    for word, cause in expected.items():
        run = run_once(f"--web.listen-address={word}")
        assert (run.returncode, run.stderr) == (2, f"netstat-exporter: --web.listen-address: {cause}\n")


def test_a_port_that_another_process_holds_is_waited_for() -> None:
    """Other addresses are served meanwhile; it is told once, and once that it has come."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        with running_daemon(f"--web.listen-address={address}") as daemon:
            assert daemon.ask().status == 200
            holder.close()
            assert daemon.wait_for("listening")["address"] == address
            daemon.port = int(address.rpartition(":")[2])
            assert daemon.ask().status == 200
            code, log = daemon.stop()
    assert code == 0
    assert "waiting" not in log


@pytest.mark.parametrize(
    ("address", "cause"),
    [
        ("192.0.2.1:9068", "Cannot assign requested address"),
        ("[fe80::1%absent0]:9068", "there is no network device absent0"),  # a VPN or a bridge makes it later
        ("[fe80::1%4294967]:9068", "No such device"),
    ],
)
def test_an_address_that_is_not_there_yet_is_waited_for_until_a_signal_comes(
    address: str, cause: str
) -> None:
    with start(f"--web.listen-address={address}") as process:
        daemon = Daemon(process, 0)
        problem = daemon.wait_for("waiting for the address to listen on")["problem"]
        assert problem == f"{address}: {cause}"
        assert daemon.wait_for("started")["addresses"] == ""
        code, log = daemon.stop()
    assert code == 0
    assert "waiting for" not in log


def test_a_procfs_that_is_not_mounted_yet_is_waited_for(tmp_path: Path) -> None:
    """A mount point without a mount is an empty directory."""
    root, made = tmp_path / "proc", tmp_path / "made"
    root.mkdir()
    with start("--web.listen-address=127.0.0.1:0", f"--path.procfs={root}") as process:
        daemon = Daemon(process, 0)
        daemon.wait_for("waiting for the procfs to be mounted")
        (made / "self" / "net").mkdir(parents=True)
        (made / "self" / "net" / "tcp").write_text("header\n")
        made.rename(root)
        daemon.wait_for("the procfs is mounted")
        daemon.wait_for("started")
        assert daemon.stop()[0] == 0


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGHUP, 1)],  # 1: the import fails, as it is made to
)
def test_signals_are_heeded_while_modules_are_imported(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    (tmp_path / "structlog.py").write_text("print(input('importing\\n'))\nraise ImportError\n")
    with start("--web.listen-address=127.0.0.1:0", environment=[("PYTHONPATH", str(tmp_path))]) as process:
        assert process.stdin
        wait_until(lambda: is_reading_standard_input(process.pid))
        process.send_signal(number)
        if code:
            process.stdin.write("\n")
            process.stdin.close()
        assert process.wait(PATIENCE_SECONDS) == code


def is_reading_standard_input(pid: int) -> bool:
    """Tell whether a process waits for what comes from its descriptor 0."""
    with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
        words = file.read().split()
    return words[:2] == ["0", "0x0"]  # read(0, ...) on x86-64


HANGING_OPEN = """
import os, threading
real = os.open
def slow(path, *more, **also):
    if path == {config!r} and os.path.exists({switch!r}):
        threading.Event().wait()
    return real(path, *more, **also)
os.open = slow
"""


def test_a_reload_that_hangs_keeps_nobody_from_scraping_nor_the_process_from_ending(tmp_path: Path) -> None:
    """As on a mount whose server is gone: open(2) does not return, for one of 20 who ask for a reload."""
    config, switch = tmp_path / "config.yaml", tmp_path / "hang"
    config.write_text("interval: 100ms\n")
    (tmp_path / "sitecustomize.py").write_text(HANGING_OPEN.format(config=str(config), switch=str(switch)))
    prefix = ("env", f"PYTHONPATH={tmp_path}:{ROOT}")
    flags = (f"--config.file={config}", "--web.enable-lifecycle", "--web.max-requests=1")
    with running_daemon(*flags, prefix=prefix) as daemon, ThreadPoolExecutor(20) as pool:
        switch.touch()
        reloads = [pool.submit(daemon.ask, "/-/reload", "POST") for _ in range(20)]
        wait_until(lambda: count_connections(daemon) >= 20)
        assert {daemon.ask().status for _ in range(20)} == {200}
        started = time.monotonic()
        code, _ = daemon.stop()
        assert code == 0
        assert time.monotonic() - started < 5
        assert {future.result().status for future in reloads} == {500}


def count_connections(daemon: Daemon) -> int:
    """Return how many connections the daemon has."""
    connections = psutil.Process(daemon.process.pid).net_connections("tcp")
    return sum(one.status == psutil.CONN_ESTABLISHED for one in connections)
