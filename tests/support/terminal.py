"""A terminal of one's own, for programs that behave otherwise on one."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

PATIENCE_SECONDS: Final = 30


class Terminal:
    """The master's end of a terminal, and the program that runs on it."""

    def __init__(self, descriptor: int, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self._descriptor = descriptor
        self._seen = ""

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._descriptor, keys.encode())

    def read_until(self, text: str) -> str:
        """Return what is shown from the last read on until this text comes, with it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self._seen:
            ready, _, _ = select.select([self._descriptor], [], [], deadline - time.monotonic())
            assert ready, f"the terminal never shows {text!r}, but {self._seen!r}"
            read = self._read()
            assert read, f"the program ended without showing {text!r}, but {self._seen!r}"
            self._seen += read
        shown, _, self._seen = self._seen.partition(text)
        return shown + text

    def read_rest(self) -> str:
        """Return what is shown until the program has ended."""
        while read := self._read():
            self._seen += read
        self.process.wait(PATIENCE_SECONDS)
        return self._seen

    def _read(self) -> str:
        try:
            return os.read(self._descriptor, 1 << 16).decode(errors="replace")
        except OSError:  # EIO: nobody has the other end
            return ""


@contextmanager
def run_on_terminal(
    command: Sequence[str], columns: int = 80, environment: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """Run a program on a terminal of so many columns; it is killed at the end."""
    master, slave = pty.openpty()
    try:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        variables = {**os.environ, "TERM": "xterm", **(environment or {})}
        process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *command], stdin=slave, stdout=slave, stderr=slave, env=variables
        )
        os.close(slave)
        with process:
            try:
                yield Terminal(master, process)
            finally:
                process.kill()
    finally:
        os.close(master)
