"""Accept connections and never close one, until accept() fails; then say when that was.

    python -m tests.support.live.hoarder PORT FILES

It prints a line when it listens, and another with the number of the error and the time on the monotonic
clock, which all processes share.
"""

import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.live.connections import ABORT
from tests.support.live.namespace import ROOT

LOOPBACK = "127.0.0.1"
NAME = "hoarder"


class Hoarder:
    """A process that runs out of files."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self._process = process
        self._port = port

    def visit(self, *, resets: bool) -> None:
        """Open a connection and end it: by FIN, or by RST, which leaves no row in any table."""
        with socket.create_connection((LOOPBACK, self._port)) as client:
            if resets:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)

    def wait(self) -> "End":
        """Return how it ended."""
        assert self._process.stdout is not None
        number, at_seconds = self._process.stdout.readline().split()
        return End(int(number), float(at_seconds))


class End(NamedTuple):
    """The error of accept(), and when it came on the monotonic clock."""

    number: int
    at_seconds: float


@contextmanager
def hoarding(prefix: Sequence[str], port: int, files: int) -> Iterator[Hoarder]:
    """Run a hoarder that may have so many files behind ``prefix``; it ends with its standard input."""
    command = [*prefix, sys.executable, "-m", "tests.support.live.hoarder", str(port), str(files)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        yield Hoarder(process, port)


def main(port: int, files: int) -> None:
    """Accept as long as it goes."""
    Path("/proc/self/comm").write_text(NAME, encoding="ascii")
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    threading.Thread(target=end_with_input).start()
    kept = []
    with socket.create_server((LOOPBACK, port), backlog=files) as listener:
        print("listening", flush=True)  # noqa: T201
        try:
            while True:
                kept.append(listener.accept())
        except OSError as error:
            print(error.errno, time.monotonic(), flush=True)  # noqa: T201
        threading.Event().wait()


def end_with_input() -> None:
    """End the process, whatever it waits for."""
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
