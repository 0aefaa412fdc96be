"""Read the kernel on a worker thread, so that a read that hangs costs its own result only.

A read that exceeds its timeout is left to its thread, and is not started again while it hangs. So there is
one thread for all reads, and one more for each read that hangs.
"""

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class HangError(Exception):
    """A read exceeded its timeout, or the previous one still hangs."""

    def __init__(self, message: str = "timeout: the read hangs") -> None:
        super().__init__(message)


class _Job(Generic[T]):
    """A piece of work, and its result."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self.results: SimpleQueue[tuple[T | None, Exception | None, float]] = SimpleQueue()

    def run(self) -> None:
        started = time.thread_time()
        value, error = None, None
        try:
            value = self._work()
        except Exception as failure:  # noqa: BLE001 - raised again in the thread that asked
            error = failure
        self.results.put((value, error, time.thread_time() - started))


class _Worker:
    """Runs jobs one after the other, until it gets None."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[_Job[object] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="kernel-reader", daemon=True)
        self._thread.start()

    def is_busy(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        while (job := self.jobs.get()) is not None:
            job.run()


class Reads(Protocol):
    """Runs what reads the kernel; ``cpu_seconds`` is the CPU time of all finished reads."""

    @property
    def cpu_seconds(self) -> float:
        """The CPU time of all finished reads."""

    def read(self, name: str, work: Callable[[], T], timeout_seconds: float) -> T:
        """Return the result of work; raises HangError, and what the work raises."""

    def is_hanging(self, name: str) -> bool:
        """Return whether the read of this name still hangs."""


class DirectReads:
    """Reads in the calling thread, for a caller that is guarded as a whole."""

    @property
    def cpu_seconds(self) -> float:
        """The CPU time of this thread."""
        return time.thread_time()

    def read(self, name: str, work: Callable[[], T], timeout_seconds: float) -> T:
        """Return the result of work."""
        del name, timeout_seconds
        return work()

    def is_hanging(self, name: str) -> bool:
        """Return False: what hangs, hangs with the thread that asks."""
        del name
        return False


class Guard:
    """Reads for one thread; ``cpu_seconds`` is the CPU time of all finished reads."""

    def __init__(self) -> None:
        self.cpu_seconds = 0.0
        self._worker: _Worker | None = None
        self._hanging: dict[str, _Worker] = {}

    def read(self, name: str, work: Callable[[], T], timeout_seconds: float) -> T:
        """Return the result of work, which is identified by ``name`` while it hangs.

        Raises HangError, also when no thread can be started, and what the work raises.
        """
        if self.is_hanging(name):
            raise HangError
        if self._worker is None:
            try:
                self._worker = _Worker()
            except RuntimeError as error:
                raise HangError(f"cannot read: {error}") from error
        job = _Job(work)
        self._worker.jobs.put(job)  # type: ignore[arg-type]  # the caller knows the type of its own job
        try:
            value, failure, cpu_seconds = job.results.get(timeout=max(0.0, timeout_seconds))
        except Empty:
            self._hanging[name], self._worker = self._worker, None
            self._hanging[name].jobs.put(None)
            raise HangError from None
        self.cpu_seconds += cpu_seconds
        if failure is not None:
            raise failure
        return value  # type: ignore[return-value]  # what the work returned

    def is_hanging(self, name: str) -> bool:
        """Return whether the read of this name still hangs."""
        if name in self._hanging and not self._hanging[name].is_busy():
            del self._hanging[name]
        return name in self._hanging

    def close(self) -> None:
        """Let the thread end."""
        if self._worker is not None:
            self._worker.jobs.put(None)
            self._worker = None
