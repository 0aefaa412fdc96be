"""Do work that may hang, in a thread that is then left alone."""

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

_Result = TypeVar("_Result")


class HangError(Exception):
    """A piece of work is not done in time, or the one before still is not."""

    def __init__(self) -> None:
        super().__init__("timeout: the read hangs")


class Worker:
    """Does one piece of work at a time; no other is begun while one hangs."""

    def __init__(self) -> None:
        self._thread: Thread | None = None

    def run(self, work: Callable[[], _Result], timeout_seconds: float) -> _Result:
        """Return the result of work, which must raise nothing.

        Raises HangError, and RuntimeError when there is no room for one more thread.
        """
        results: list[_Result] = []
        if self._thread is None or not self._thread.is_alive():
            thread = Thread(target=lambda: results.append(work()), daemon=True)
            thread.start()
            self._thread = thread
            thread.join(timeout_seconds)
        if not results:
            raise HangError
        return results[0]
