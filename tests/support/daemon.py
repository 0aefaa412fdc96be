"""Run the real daemon, and talk to it as Prometheus does."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from tests.support.patience import wait_until

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "netstat_exporter")
PATIENCE_SECONDS = 20
SILENCE_SECONDS = 120  # only a daemon that will never say it is silent for so long

Labels = frozenset[tuple[str, str]]


ALONE: Final = "namespaces: {enabled: false}\n"
"""The configuration of who counts its own network namespace only, and not those of other tests."""


class Answer(NamedTuple):
    """What the daemon answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Daemon:
    """A running exporter that listens on the loopback; its log is JSON, a line an event."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process
        self.port = port

    def ask(
        self, path: str = "/metrics", method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request and return the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def samples(self) -> dict[tuple[str, Labels], float]:
        """Return the page's samples by name and labels."""
        return parse_page(self.ask().body.decode())

    def wait_for(self, message: str) -> dict[str, object]:
        """Return the next event of the log with this message; a daemon that never says it is killed."""
        assert self.process.stderr is not None
        timer = threading.Timer(SILENCE_SECONDS, self.process.kill)
        timer.start()
        try:
            for line in self.process.stderr:
                event = json.loads(line)
                if event["msg"] == message:
                    return dict(event)
        finally:
            timer.cancel()
        raise AssertionError(f"the daemon ended without saying {message!r}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; return the exit code and what was left of the log."""
        assert self.process.stderr is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_SECONDS)
        return code, self.process.stderr.read()  # communicate() would lose what was read ahead of a line


@contextmanager
def running_daemon(
    *flags: str, prefix: Sequence[str] = (), ready: bool = True, command: Sequence[str] = COMMAND
) -> Iterator[Daemon]:
    """Run the daemon with these flags, behind ``prefix`` such as the entry into a namespace."""
    command = [*prefix, *command, "--web.listen-address=127.0.0.1:0", "--log.format=json", *flags]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        daemon = Daemon(process, 0)
        try:
            daemon.port = int(str(daemon.wait_for("started")["addresses"]).rpartition(":")[2])
            if ready:
                wait_until(lambda: daemon.ask("/-/ready").status == http.HTTPStatus.OK)
            yield daemon
        finally:
            process.kill()


def run_once(*flags: str, prefix: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    return subprocess.run(
        [*prefix, *COMMAND, *flags],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def parse_page(text: str) -> dict[tuple[str, Labels], float]:
    """Return the samples of a page by name and labels; no two may have both in common."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
    assert len(found) == len(samples)
    return found
