"""Read the configuration again, one reading after the other, and keep nobody waiting for one that hangs."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from exporter import notify
from exporter.serving.app import ReloadError
from exporter.threads import run_in_thread

_TIMEOUT_SECONDS: Final = 8.0  # less than an answer may take
_PAUSE_SECONDS: Final = 0.25  # a storm of wishes costs little, and writes few lines


class Reloader:
    """Calls ``read`` in a thread; it raises ReloadError where the old configuration still holds."""

    def __init__(self, read: Callable[[], None]) -> None:
        self._read = read
        self._requested = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []

    def request(self) -> None:
        """Have it read soon; wishes that come before it begins are one."""
        self._requested.set()

    async def reload(self) -> None:
        """Have it read, and wait for the outcome; raises ReloadError."""
        outcome = asyncio.get_running_loop().create_future()
        self._waiting.append(outcome)
        self.request()
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await outcome
        except TimeoutError:
            raise ReloadError("the configuration takes long to read, keeping the old one") from None

    async def run(self) -> None:
        """Read whenever it is wanted."""
        try:
            while True:
                await self._requested.wait()
                self._requested.clear()
                waiting, self._waiting = self._waiting, []
                await self._read_once(waiting)
                await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            _settle(self._waiting, ReloadError("the exporter stops"))

    async def _read_once(self, waiting: list[asyncio.Future[None]]) -> None:
        problem: ReloadError | None = ReloadError("the exporter stops")
        try:
            with notify.reloading():
                await run_in_thread(self._read)
            problem = None
        except ReloadError as error:
            problem = error
        finally:
            _settle(waiting, problem)


def _settle(waiting: list[asyncio.Future[None]], problem: ReloadError | None) -> None:
    for outcome in waiting:
        with contextlib.suppress(asyncio.InvalidStateError):  # its client has left
            if problem:
                outcome.set_exception(problem)
                outcome.exception()  # whoever waited may be gone
            else:
                outcome.set_result(None)
