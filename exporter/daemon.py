"""Run the exporter: a thread that takes snapshots, and an event loop that serves them."""

import asyncio
import contextlib
import dataclasses
import gc
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from exporter import notify
from exporter.config.loader import ConfigError
from exporter.config.settings import Settings
from exporter.early import was_reload_requested
from exporter.flags import Flags
from exporter.logs import count_lost_lines
from exporter.reloading import Reloader
from exporter.sampling.sampler import Sampler
from exporter.sampling.snapshot import Snapshot
from exporter.serving.addresses import NotYetError, bind, format_address
from exporter.serving.admission import Admission
from exporter.serving.app import App, ReloadError, Site
from exporter.serving.metrics import ReloadStatus
from exporter.serving.security import OPEN, Security
from exporter.serving.server import Server, limit_connections
from exporter.serving.web_config import WebConfig
from exporter.serving.web_watch import WebWatch
from exporter.status.history import History
from exporter.threads import run_in_thread

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1

_RETRY_SECONDS: Final = 1.0
_FIRST_TRY_SECONDS: Final = 1.0  # then it logs the start and counts sockets, even if an address is missing

log = structlog.get_logger()


class Daemon:
    """Takes and serves snapshots.

    ``reload`` reads the configuration again, puts it in force and returns it; it raises ConfigError.
    """

    def __init__(
        self,
        flags: Flags,
        sampler: Sampler,
        settings: Settings,
        reload: Callable[[], Settings],
        web: WebConfig | None,
    ) -> None:
        self._flags = flags
        self._web = web
        self._security = Security(web.settings if web else OPEN)
        self._sampler = sampler
        self._settings = settings
        self._reload = reload
        self._history = History()
        self._reload_status = ReloadStatus(successful=True, success_at_seconds=time.time())
        self._reloader = Reloader(self._read_settings)
        self._waiting: dict[str, str] = {}
        self._stop = asyncio.Event()
        self._exit_code = EXIT_OK

    async def run(
        self,
        listeners: Sequence[socket.socket],
        addresses: Sequence[str],
        log_start: Callable[[Sequence[str]], None],
    ) -> int:
        """Run until a signal stops it, and return the exit code.

        It listens on ``listeners``, and on addresses as soon as they are available. Raises ServerError when
        it can never listen on one of them.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._reloader.request)
        if was_reload_requested():
            self._reloader.request()
        sampling = threading.Thread(target=self._sample, args=(loop,), name="sampler", daemon=True)
        admission = Admission(limit_connections())
        app = App(self._describe_site(sampling), self._security, admission.rejections)
        server = Server(app.respond, self._security, admission)
        server.listen(listeners)
        opening = [loop.create_task(self._open(server, address)) for address in addresses]
        await self._try_first(opening)
        log_start(server.addresses())
        gc.collect()
        gc.freeze()  # what exists now stays: exclude it from collections
        sampling.start()
        if self._web:
            watch = WebWatch(self._web, self._security, lambda: self._call(loop, server.close_connections))
            threading.Thread(target=watch.run, name="web-config", daemon=True).start()
        reloading = loop.create_task(self._reloader.run())
        await self._stop.wait()
        for task in (reloading, *opening):
            task.cancel()
        await server.stop()
        self._sampler.stop()
        log.info("stopped")
        return self._exit_code

    def _describe_site(self, sampling: threading.Thread) -> Site:
        return Site(
            newest=lambda: self._sampler.snapshot,
            history=self._history,
            settings=lambda: self._settings,
            config_file=self._flags.config_file,
            reload_status=lambda: self._reload_status,
            healthy=lambda: sampling.is_alive() and not self._sampler.is_overdue(),
            reload=self._reloader.reload if self._flags.web_enable_lifecycle else None,
            telemetry_path=self._flags.web_telemetry_path,
            max_requests=self._flags.web_max_requests,
            cpu_budget=lambda: self._settings.cpu_budget,
            charge=self._sampler.charge,
            log_lines_lost=count_lost_lines,
        )

    async def _try_first(self, opening: Sequence["asyncio.Task[None]"]) -> None:
        """Wait a moment for the addresses; raises ServerError when one of them is wrong."""
        if not opening:
            return
        done, _ = await asyncio.wait(opening, timeout=_FIRST_TRY_SECONDS)
        for task in done:
            task.result()

    async def _open(self, server: Server, address: str) -> None:
        """Listen on an address as soon as it is available; raises ServerError."""
        while True:
            try:
                listening = await run_in_thread(bind, address)
            except NotYetError as error:
                if address not in self._waiting:
                    log.warning("waiting for the address to listen on", problem=str(error))
                self._waiting[address] = str(error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                break
        server.listen([listening])
        if self._waiting.pop(address, None):
            log.info("listening", address=format_address(listening))

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
        """Report a pass from the event loop, so that the watchdog sees that both threads run."""
        self._sampler.charge(self._history.add(snapshot))
        problems = [f"Waiting for {problem}." for problem in self._waiting.values()]
        if not self._reload_status.successful:
            problems.append("The configuration was wrong at the last reload, the old one is in force.")
        next_within_seconds = snapshot.interval_seconds + self._sampler.longest_pass_seconds
        notify.report_pass(snapshot, next_within_seconds, problems)

    def _end(self) -> None:
        notify.notify("STOPPING=1")
        self._stop.set()

    def _read_settings(self) -> None:
        """Read the configuration again; raises ReloadError."""
        try:
            settings = self._reload()
        except Exception as error:
            self._reload_status = dataclasses.replace(self._reload_status, successful=False)
            if not isinstance(error, ConfigError):
                log.exception("configuration cannot be read, keeping the old one")
                raise ReloadError("the configuration cannot be read; the log says why") from error
            for problem in error.problems:
                log.error("configuration is wrong, keeping the old one", problem=problem)  # noqa: TRY400
            raise ReloadError(str(error)) from error
        self._settings = settings
        self._reload_status = ReloadStatus(successful=True, success_at_seconds=time.time())
        log.info("configuration reloaded", config_file=self._flags.config_file)
