"""Reload the configuration, one reload at a time, and time out when a reload hangs."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from exporter import notify
from exporter.serving.app import ReloadError
from exporter.threads import run_in_thread

_TIMEOUT_SECONDS: Final = 8.0  # less than an answer may take
_PAUSE_SECONDS: Final = 0.25  # many requests cost little, and log few lines


class Reloader:
    """Calls ``read`` in a thread; it raises ReloadError when the old configuration stays in force."""

    def __init__(self, read: Callable[[], None]) -> None:
        self._read = read
        self._requested = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []

    def request(self) -> None:
        """Request a reload; requests that come before it starts are one."""
        self._requested.set()

    async def reload(self) -> None:
        """Reload, and wait for the outcome; raises ReloadError."""
        outcome = asyncio.get_running_loop().create_future()
        self._waiting.append(outcome)
        self.request()
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await outcome
        except TimeoutError:
            raise ReloadError(
                "timeout: reading the configuration takes too long, keeping the old one"
            ) from None

    async def run(self) -> None:
        """Reload whenever it is requested."""
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
