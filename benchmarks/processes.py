"""Run what is measured, and take samples of it: a worker of ours, or a command that is run anew each time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from select import select
from threading import Timer
from typing import Final, Protocol

from benchmarks.measure import memory_mb
from tests.support.daemon import ROOT

_PAGE_BYTES: Final = 4096


class Probe(Protocol):
    """A contender at work."""

    def sample(self, timeout_seconds: float) -> float:
        """Let it list the sockets once and return the CPU seconds; raises TimeoutError."""

    def peak_mb(self) -> float:
        """Return the most memory it has had so far."""


class Worker:
    """A process of benchmarks.worker."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def sample(self, timeout_seconds: float) -> float:
        """Ask for one more piece of work."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise TypeError("a worker is talked to over pipes")
        print(file=stdin, flush=True)
        if not select([stdout], [], [], timeout_seconds)[0]:
            self._process.kill()
            raise TimeoutError
        return float(stdout.readline())

    def peak_mb(self) -> float:
        """Return the high-water mark of its memory."""
        return memory_mb(self._process.pid, "VmHWM")


@contextmanager
def running_worker(*words: str) -> Iterator[Worker]:
    """Run a worker."""
    command = [sys.executable, "-m", "benchmarks.worker", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Worker(process)
        finally:
            process.kill()


class Command:
    """A command that ends by itself, run anew for every sample."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._peak_mb = 0.0

    def sample(self, timeout_seconds: float) -> float:
        """Run it to its end; at first only to see its memory, which one that ends too soon does not show."""
        deadline = time.monotonic() + timeout_seconds
        while not self._peak_mb:
            self._run(deadline - time.monotonic(), subprocess.PIPE, self._watch_memory)
        return self._run(timeout_seconds, subprocess.DEVNULL)

    def peak_mb(self) -> float:
        """Return the most memory that was seen."""
        return self._peak_mb

    def _run(
        self,
        timeout_seconds: float,
        stdout: int,
        meanwhile: Callable[["subprocess.Popen[bytes]"], None] = lambda _: None,
    ) -> float:
        process = subprocess.Popen(self._words, stdout=stdout, pipesize=_PAGE_BYTES)
        timer = Timer(timeout_seconds, process.kill)
        timer.start()
        meanwhile(process)
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode == -signal.SIGKILL:
            raise TimeoutError
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, self._words)
        return usage.ru_utime + usage.ru_stime

    def _watch_memory(self, process: "subprocess.Popen[bytes]") -> None:
        """Look at its high-water mark before each page that it writes, beyond which it waits for us.

        wait4 would tell that of our own process, if higher.
        """
        if process.stdout is None:
            raise TypeError("a command's memory is seen while its output is read")
        with process.stdout as output:
            while select([output], [], []):
                self._peak_mb = max(self._peak_mb, memory_mb(process.pid, "VmHWM"))
                if not os.read(output.fileno(), _PAGE_BYTES):
                    return


@contextmanager
def running_command(*words: str) -> Iterator[Command]:
    """Run a command for each sample."""
    yield Command(words)
