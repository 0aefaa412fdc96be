"""Thousands of passes and scrapes leave everything as it was: descriptors, threads, memory and series."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ctypes import CDLL
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import requirements
from tests.support.daemon import ROOT, Daemon, running_daemon
from tests.support.passes import COUNTED
from tests.support.patience import settle, wait_until

pytestmark = pytest.mark.long

CONFIG = """
interval: 100ms
cpu_budget: 1
namespaces: {{enabled: false}}
tables: [tcp, tcp6, udp, udp6, raw, raw6, unix]
ports: {{names: {{{port}: churned}}}}
"""
SCRAPES_A_ROUND = 500
MOST_ROUNDS = 24
QUIET_ROUNDS = 4
PATHS = ("/metrics", "/metrics", "/", "/-/ready", "/nothing")
PASSES = 1000
THREADS = 2  # that of the passes, and the one that reads the kernel
LARGEST_GROWTH_BYTES = 4 * 1024  # half of what a list grows by an entry a pass
LARGEST_GROWTH_KIB = 256  # an eighth of a kilobyte a scrape
MOST_SERIES = 2 * (11 + 2 + 2 + 3) + 3  # states, queues, ages and peaks in each direction; the accept queue


class Holdings(NamedTuple):
    """What the daemon holds at one moment."""

    descriptors: int
    threads: int
    resident_kib: int
    series_of_churn: int


def take_holdings(daemon: Daemon) -> Holdings:
    """Look at the process, and at its page."""
    folder = f"/proc/{daemon.process.pid}"
    with open(f"{folder}/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    series = sum(("port_name", "churned") in labels for _, labels in daemon.samples())
    return Holdings(
        len(os.listdir(f"{folder}/fd")), int(status["Threads"]), int(status["VmRSS"].split()[0]), series
    )


@contextmanager
def churning(listener: socket.socket) -> Iterator[None]:
    """Open and close connections until the end, so that the tables are never the same for long."""
    done = threading.Event()

    def churn() -> None:
        while not done.is_set():
            with socket.create_connection(listener.getsockname()), listener.accept()[0]:
                done.wait(0.005)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def scrape(daemon: Daemon) -> Holdings:
    """Ask for each page many times, and return what the daemon holds then."""
    for number in range(SCRAPES_A_ROUND):
        path = PATHS[number % len(PATHS)]
        assert daemon.ask(path).status == (404 if path == "/nothing" else 200)
    return take_holdings(daemon)


def test_thousands_of_scrapes_leave_nothing_behind(tmp_path: Path) -> None:
    """The status page remembers some passes, so its memory grows at first; then it has to stand still."""
    config = tmp_path / "config.yaml"
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        config.write_text(CONFIG.format(port=listener.getsockname()[1]))
        stack.enter_context(churning(listener))
        daemon = stack.enter_context(running_daemon(f"--config.file={config}"))
        first = scrape(daemon)
        settle(lambda: scrape(daemon).resident_kib, LARGEST_GROWTH_KIB, QUIET_ROUNDS, MOST_ROUNDS)
        wait_until(lambda: take_holdings(daemon)[:2] <= first[:2])  # a pass may be under way
        last = take_holdings(daemon)
    assert 0 < last.series_of_churn <= MOST_SERIES


def test_thousands_of_passes_leave_nothing_behind() -> None:
    """In a process of its own: what measures the coverage of this one remembers every thread."""
    requirements.require(
        "needs a C library that counts memory", "use glibc 2.33", met=hasattr(CDLL(None), "mallinfo2")
    )
    run = subprocess.run(
        [sys.executable, "-m", "tests.support.passes", str(PASSES)],
        cwd=ROOT,
        env={**os.environ, **COUNTED},
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = (json.loads(line) for line in run.stdout.splitlines())
    assert after["sockets"] == before["sockets"] > 0
    assert after["descriptors"] == before["descriptors"]
    assert after["threads"] == before["threads"] == THREADS
    assert after["bytes"] - before["bytes"] < LARGEST_GROWTH_BYTES
