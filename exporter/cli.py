"""Wire the rooms together: flags, configuration, signals and exit codes; it alone knows everything.

Exit codes: 0 when a signal stopped it, 1 when it failed at run time, 2 when it was started wrongly.
"""

import asyncio
import contextlib
import dataclasses
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final

import structlog

from exporter import __version__, config, notify
from exporter.files import read_regular_file
from exporter.flags import DEFAULT_ADDRESS, Flags, parse_flags
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.logs import configure_logging
from exporter.sampling.sampler import Sampler
from exporter.sampling.services import name_ports
from exporter.sampling.settings import Settings
from exporter.sampling.snapshot import Snapshot
from exporter.serving.activation import take_listeners
from exporter.serving.app import ReloadError, Site, create_app
from exporter.serving.metrics import ReloadStatus, Status
from exporter.serving.page import encode_text
from exporter.serving.server import Listener, ServerError, bind, format_address, serve

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2

_LARGEST_SERVICES_BYTES: Final = 4 << 20

log = structlog.get_logger()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the exporter and return its exit code."""
    flags = parse_flags(arguments)
    configure_logging(flags.log_level, flags.log_format)
    try:
        settings = load_settings(flags)
        if flags.config_check:
            return EXIT_OK
        procfs = Procfs(flags.path_procfs)
        sampler = Sampler(procfs, settings)
        if flags.once:
            return print_once(sampler)
        addresses = flags.web_listen_address or [DEFAULT_ADDRESS]
        listeners = take_listeners() if flags.web_systemd_socket else bind(addresses)
    except config.ConfigError as error:
        return _refuse(str(error))
    except ProcfsError as error:
        return _refuse(f"--path.procfs: {error}")
    except ServerError as error:
        flag = "--web.systemd-socket" if flags.web_systemd_socket else "--web.listen-address"
        return _refuse(f"{flag}: {error}")
    _warn_of_surroundings(procfs)
    log.info(
        "started",
        version=__version__,
        addresses=[format_address(listener) for listener in listeners],
        config_file=flags.config_file,
        procfs=procfs.net_directory,
    )
    return asyncio.run(Daemon(flags, sampler).run(listeners))


def load_settings(flags: Flags) -> Settings:
    """Read the configuration file and the services file.

    Raises config.ConfigError.
    """
    chosen = config.load(flags.config_file) if flags.config_file else config.Config()
    return Settings(
        tables=chosen.tables,
        source=chosen.source,
        interval_seconds=chosen.interval_seconds,
        cpu_budget=chosen.cpu_budget,
        timeout_seconds=chosen.timeout_seconds,
        names=name_ports(chosen.ports.names, _read_services(flags.path_services)),
        always=frozenset(chosen.ports.always),
        ports_limit=chosen.ports.limit,
        room=chosen.room,
        drops=chosen.drops,
        peak_states=chosen.peaks.states,
        peak_window_seconds=chosen.peaks.window_seconds,
    )


class Daemon:
    """The exporter at work: a thread that takes snapshots, and an event loop that serves them."""

    def __init__(self, flags: Flags, sampler: Sampler) -> None:
        self._flags = flags
        self._sampler = sampler
        self._reload_status = ReloadStatus(successful=True, success_at_seconds=time.time())
        self._reload_wanted = asyncio.Event()
        self._stop = asyncio.Event()
        self._exit_code = EXIT_OK

    async def run(self, listeners: Sequence[Listener]) -> int:
        """Take and serve snapshots until a signal stops it, and return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._reload_wanted.set)
        sampling = threading.Thread(target=self._sample, args=(loop,), name="sampler", daemon=True)
        sampling.start()
        reloading = loop.create_task(self._reload_when_wanted())
        site = Site(
            snapshot=lambda: self._sampler.snapshot,
            reload_status=lambda: self._reload_status,
            healthy=sampling.is_alive,
            reload=self._reload if self._flags.web_enable_lifecycle else None,
            telemetry_path=self._flags.web_telemetry_path,
            max_requests=self._flags.web_max_requests,
        )
        gc.collect()
        gc.freeze()  # what is here now stays: no collection need look at it again
        await serve(create_app(site), listeners, self._stop)
        reloading.cancel()
        self._sampler.stop()
        log.info("stopped")
        return self._exit_code

    def _sample(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._sampler.run(lambda snapshot: self._tell(loop, snapshot))
        except BaseException:
            self._exit_code = EXIT_FAILED
            log.exception("the sampling died")
            loop.call_soon_threadsafe(self._end)

    def _tell(self, loop: asyncio.AbstractEventLoop, snapshot: Snapshot) -> None:
        """Have the event loop report a pass, so that the watchdog knows of both that they live."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._report, snapshot)

    def _report(self, snapshot: Snapshot) -> None:
        notify.report_pass(
            snapshot,
            snapshot.pass_interval_seconds + self._sampler.longest_pass_seconds,
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
                await asyncio.to_thread(self._reload)

    def _reload(self) -> None:
        with notify.reloading():
            self._read_settings()

    def _read_settings(self) -> None:
        try:
            settings = load_settings(self._flags)
        except config.ConfigError as error:
            self._reload_status = dataclasses.replace(self._reload_status, successful=False)
            log.error("the configuration is wrong; the old one still holds", problems=error.problems)  # noqa: TRY400
            raise ReloadError(str(error)) from error
        self._sampler.change_settings(settings)
        self._reload_status = ReloadStatus(successful=True, success_at_seconds=time.time())
        log.info("configuration read again")


def print_once(sampler: Sampler) -> int:
    """Print a page of one pass, without what node_exporter says of its own process."""
    snapshot = sampler.take_snapshot()
    page = encode_text(snapshot, Status(ReloadStatus(successful=True, success_at_seconds=time.time())))
    sys.stdout.buffer.write(page)
    sys.stdout.flush()
    return EXIT_OK if any(status.success for status in snapshot.tables) else EXIT_FAILED


def _refuse(message: str) -> int:
    sys.stderr.write(f"netstat-exporter: {message}\n")
    return EXIT_USAGE


def _read_services(path: str) -> bytes:
    try:
        return read_regular_file(path, _LARGEST_SERVICES_BYTES)
    except OSError as error:
        log.warning(
            "no services file: the bundled names of ports serve alone", file=path, error=error.strerror
        )
        return b""


def _warn_of_surroundings(procfs: Procfs) -> None:
    if os.geteuid() == 0:
        log.warning("running as root, which it need not: counting sockets takes no privileges")
    if namespaces := procfs.network_namespaces():
        read, own, first = namespaces
        if read != first:
            log.warning(
                "these are not the sockets of the host: process 1 lives in another network namespace",
                reading=procfs.net_directory,
            )
        elif read != own:
            log.info("reading another network namespace than our own", reading=procfs.net_directory)
