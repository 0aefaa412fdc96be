"""The exporter at work: a thread that takes snapshots, and an event loop that serves them."""

import asyncio
import contextlib
import dataclasses
import gc
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from exporter import notify
from exporter.config.loader import ConfigError
from exporter.flags import Flags
from exporter.sampling.sampler import Sampler
from exporter.sampling.snapshot import Snapshot
from exporter.serving.app import ReloadError, Site, create_app
from exporter.serving.metrics import ReloadStatus
from exporter.serving.server import Listener, serve

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1

log = structlog.get_logger()


class Daemon:
    """Takes and serves snapshots; ``reload`` applies the configuration again, or raises ConfigError."""

    def __init__(self, flags: Flags, sampler: Sampler, reload: Callable[[], None]) -> None:
        self._flags = flags
        self._sampler = sampler
        self._read_settings = reload
        self._reload_status = ReloadStatus(successful=True, success_at_seconds=time.time())
        self._reload_wanted = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._stop = asyncio.Event()
        self._exit_code = EXIT_OK

    async def run(self, listeners: Sequence[Listener], tell_start: Callable[[], None]) -> int:
        """Work until a signal stops it, and return the exit code; signals are heeded by ``tell_start``."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._reload_wanted.set)
        tell_start()
        sampling = threading.Thread(target=self._sample, args=(loop,), name="sampler", daemon=True)
        app = create_app(
            Site(
                snapshot=lambda: self._sampler.snapshot,
                configured=self._flags.config_file is not None,
                reload_status=lambda: self._reload_status,
                healthy=lambda: sampling.is_alive() and not self._sampler.is_overdue(),
                reload=self._reload if self._flags.web_enable_lifecycle else None,
                telemetry_path=self._flags.web_telemetry_path,
                max_requests=self._flags.web_max_requests,
            )
        )
        gc.collect()
        gc.freeze()  # what is here now stays: no collection need look at it again
        sampling.start()
        reloading = loop.create_task(self._reload_when_wanted())
        await serve(app, listeners, self._stop)
        reloading.cancel()
        self._sampler.stop()
        log.info("stopped")
        return self._exit_code

    def _sample(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._sampler.run(lambda snapshot: self._call(loop, self._report, snapshot))
        except BaseException:
            self._exit_code = EXIT_FAILED
            log.exception("sampler thread crashed, exiting")
            self._call(loop, self._end)

    @staticmethod
    def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(function, *arguments)

    def _report(self, snapshot: Snapshot) -> None:
        """Report a pass from the event loop, so that the watchdog knows of both that they live."""
        notify.report_pass(
            snapshot,
            snapshot.interval_seconds + self._sampler.longest_pass_seconds,
            reload_successful=self._reload_status.successful,
        )

    def _end(self) -> None:
        notify.notify("STOPPING=1")
        self._stop.set()

    async def _reload_when_wanted(self) -> None:
        """Reload at a signal; signals that come meanwhile are one more."""
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            with contextlib.suppress(ReloadError):
                await self._reload()

    async def _reload(self) -> None:
        """Read the configuration again; one reload follows the other. Raises ReloadError."""
        async with self._reloading:
            with notify.reloading():
                await asyncio.to_thread(self._apply_settings)

    def _apply_settings(self) -> None:
        try:
            self._read_settings()
        except Exception as error:
            self._reload_status = dataclasses.replace(self._reload_status, successful=False)
            if not isinstance(error, ConfigError):
                log.exception("configuration cannot be read, keeping the old one")
                raise ReloadError("the configuration cannot be read; the log says why") from error
            for problem in error.problems:
                log.error("configuration is wrong, keeping the old one", problem=problem)  # noqa: TRY400
            raise ReloadError(str(error)) from error
        self._reload_status = ReloadStatus(successful=True, success_at_seconds=time.time())
        log.info("configuration reloaded", config_file=self._flags.config_file)
