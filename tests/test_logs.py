"""Nothing depends on who reads the log, and the journal knows how grave each line is."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.daemon import COMMAND, PATIENCE_SECONDS, ROOT, Daemon
from tests.support.patience import wait_until

SMALLEST_PIPE = 4096
F_SETPIPE_SZ = 1031
LOST = ("netstat_exporter_log_lines_lost_total", frozenset[tuple[str, str]]())
PASSES = ("netstat_exporter_passes_total", frozenset({("result", "success")}))


def make_pipe(*, full: bool) -> tuple[int, int]:
    """Return a small pipe, to its reader and its writer."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, F_SETPIPE_SZ, SMALLEST_PIPE)
    if full:
        os.write(writer, b"x" * SMALLEST_PIPE)
    return reader, writer


@contextmanager
def logging_to(descriptor: int, config: Path) -> Iterator[Daemon]:
    """Run a daemon whose standard error is this, at a port that was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
    command = [*COMMAND, f"--web.listen-address=127.0.0.1:{port}", f"--config.file={config}"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=descriptor, text=True)
    try:
        daemon = Daemon(process, port)
        wait_until(lambda: is_ready(daemon))
        yield daemon
    finally:
        process.kill()
        process.wait()


def is_ready(daemon: Daemon) -> bool:
    """Tell whether the daemon is there and has counted."""
    try:
        return daemon.ask("/-/ready").status == 200
    except ConnectionRefusedError:
        return False


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Make a configuration file with short passes."""
    file = tmp_path / "config.yaml"
    file.write_text("interval: 100ms\ncpu_budget: 1\n")
    return file


def test_a_log_that_nobody_reads_delays_nothing(config: Path) -> None:
    """From the start: sockets are counted and served, lines are lost and counted, and SIGTERM ends it."""
    deep = config.parent.joinpath(*["a" * 200] * 15)  # each line has the path
    deep.mkdir(parents=True)
    config = config.rename(deep / config.name)
    reader, writer = make_pipe(full=True)
    with logging_to(writer, config) as daemon:
        config.write_text("".join(f"unknown_{number}: 1\n" for number in range(20)))

        def are_lines_lost() -> bool:
            daemon.process.send_signal(signal.SIGHUP)
            return daemon.samples()[LOST] > 0

        wait_until(are_lines_lost)
        before = daemon.samples()[PASSES]
        wait_until(lambda: daemon.samples()[PASSES] > before)
        began = time.monotonic()
        daemon.process.terminate()
        assert daemon.process.wait(PATIENCE_SECONDS) == 0
        assert time.monotonic() - began < 5
    os.close(reader)
    os.close(writer)


def test_lines_come_out_once_somebody_reads(config: Path) -> None:
    """In their order, each of them whole."""
    reader, writer = make_pipe(full=True)
    with logging_to(writer, config) as daemon:
        os.close(writer)
        with open(reader, encoding="utf-8") as log:
            assert log.read(SMALLEST_PIPE) == "x" * SMALLEST_PIPE
            assert "msg=started" in log.readline()
            daemon.process.terminate()
            assert log.read().splitlines()[-1].endswith("msg=stopped")


def test_a_line_for_the_journal_says_how_grave_it_is(config: Path) -> None:
    """As systemd's own: <6> is info, <3> is an error; see sd-daemon(3)."""
    reader, writer = make_pipe(full=False)
    status = os.fstat(writer)
    command = [*COMMAND, "--web.listen-address=127.0.0.1:0", f"--config.file={config}"]
    journal = f"{status.st_dev}:{status.st_ino}"
    with subprocess.Popen(
        command, cwd=ROOT, stderr=writer, env={**os.environ, "JOURNAL_STREAM": journal}
    ) as process:
        os.close(writer)
        with open(reader, encoding="utf-8") as log:
            assert log.readline().startswith("<6>ts=")
            config.write_text("interval: never\n")
            process.send_signal(signal.SIGHUP)
            assert next(line for line in log if "level=error" in line).startswith("<3>ts=")
            process.terminate()


def test_elsewhere_lines_have_no_priority(config: Path) -> None:
    """Whatever the variable says of another stream."""
    command = [*COMMAND, "--web.listen-address=127.0.0.1:0", "--log.format=json", f"--config.file={config}"]
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, env={**os.environ, "JOURNAL_STREAM": "1:1"}
    ) as process:
        assert process.stderr
        assert json.loads(process.stderr.readline())["msg"] == "started"
        process.terminate()
