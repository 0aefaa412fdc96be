"""Wire everything together: flags, configuration, sampler and daemon.

Exit codes: 0 when a signal stopped it, 1 when it failed at run time, 2 for a wrong flag, file or address.
"""

import asyncio
import dataclasses
import math
import os
import platform
import sys
import time
from collections.abc import Sequence
from typing import Final

import structlog

from exporter import __version__, notify
from exporter.config.loader import ConfigError, load
from exporter.config.settings import Settings
from exporter.daemon import EXIT_FAILED, EXIT_OK, Daemon
from exporter.flags import DEFAULT_ADDRESS, EVERY_OPTION, Flags, parse_flags
from exporter.heap import share_heap
from exporter.kernel.procfs import DEFAULT_ROOT, Procfs, ProcfsError
from exporter.loading import load_names, load_settings
from exporter.logs import configure_logging
from exporter.options import find_unknown
from exporter.revision import PACKAGE, find_revision
from exporter.sampling.sampler import Sampler, without_history
from exporter.serving.activation import take_listeners
from exporter.serving.addresses import ServerError
from exporter.serving.metrics import ReloadStatus, Status
from exporter.serving.page import encode_text
from exporter.serving.web_config import WebConfigError, load_web_config

EXIT_USAGE: Final = 2

_STANDARD_OUTPUT: Final = 1
_RETRY_SECONDS: Final = 1.0

log = structlog.get_logger()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the exporter and return its exit code."""
    flags = parse_flags(arguments)
    configure_logging(flags.log_level, flags.log_format)
    try:
        return run(flags)
    except (ConfigError, WebConfigError) as error:
        return _refuse(*error.problems)
    except ProcfsError as error:
        return _refuse(f"netstat-exporter: {flags.name_source('--path.procfs')}: {error}")
    except ServerError as error:
        flag = "--web.systemd-socket" if flags.web_systemd_socket else "--web.listen-address"
        return _refuse(f"netstat-exporter: {flags.name_source(flag)}: {error}")


def run(flags: Flags) -> int:
    """Do what the flags say; raises ConfigError, WebConfigError, ProcfsError and ServerError."""
    if flags.version:
        return print_version()
    if flags.config_check:
        return check_config(flags)
    if flags.once:
        # No later pass compensates for this one, or continues its lookup of owners.
        settings = dataclasses.replace(load_settings(flags), cpu_budget=math.inf)
        names = load_names(flags, settings)
        return print_once(Sampler(Procfs(flags.path_procfs), settings, names, flags.path_pod_logs))
    return run_daemon(flags)


def print_version() -> int:
    """Print which exporter this is, and which Python runs it from where."""
    lines = (
        f"netstat-exporter, version {__version__} (revision: {find_revision()})",
        f"  python:  {platform.python_implementation()} {platform.python_version()}, {sys.executable}",
        f"  package: {PACKAGE}",
    )
    return _print("".join(f"{line}\n" for line in lines).encode(errors="surrogateescape"))


def check_config(flags: Flags) -> int:
    """Check the given files, and print that they are ok; raises ConfigError and WebConfigError."""
    checks = ((flags.config_file, load), (flags.web_config_file, load_web_config))
    given = [(path, check) for path, check in checks if path is not None]
    if not given:
        return _refuse(
            "netstat-exporter: --config.check: nothing to check: give --config.file or --web.config.file"
        )
    for path, check in given:
        check(path)
    return _print("".join(f"{path}: ok\n" for path, _ in given).encode())


def print_once(sampler: Sampler) -> int:
    """Print a page of one pass, without process_* metrics: node_exporter, which reads it, has its own."""
    snapshot = without_history(sampler.take_snapshot())
    status = Status(ReloadStatus(successful=True, success_at_seconds=time.time()))
    code = _print(encode_text(snapshot, status))
    return code if any(not table.error for table in snapshot.tables) else EXIT_FAILED


def run_daemon(flags: Flags) -> int:
    """Take and serve snapshots until a signal stops it.

    Raises ConfigError, ProcfsError and ServerError.
    """
    share_heap()
    procfs = wait_for_procfs(flags.path_procfs)
    settings = load_settings(flags)
    listeners, addresses = [], flags.web_listen_address or [DEFAULT_ADDRESS]
    if flags.web_systemd_socket:
        listeners, addresses = take_listeners(), []
    web = load_web_config(flags.web_config_file) if flags.web_config_file else None
    sampler = Sampler(procfs, settings, load_names(flags, settings), flags.path_pod_logs)

    def reload() -> Settings:
        changed = load_settings(flags)
        sampler.change_settings(changed, load_names(flags, changed))
        return changed

    daemon = Daemon(flags, sampler, settings, reload, web)
    return asyncio.run(
        daemon.run(listeners, addresses, lambda opened: _log_start(flags, settings, procfs, opened))
    )


def wait_for_procfs(root: str) -> Procfs:
    """Return a procfs as soon as it is mounted; until then its mount point is an empty directory.

    Raises ProcfsError.
    """
    is_logged = False
    while True:
        try:
            procfs = Procfs(root)
        except ProcfsError as error:
            if not _is_empty_directory(root):
                raise
            if not is_logged:
                log.warning("waiting for the procfs to be mounted", problem=str(error))
                is_logged = True
            notify.notify("READY=1", f"STATUS=Waiting for a procfs at {root}.", "WATCHDOG=1")
            time.sleep(_RETRY_SECONDS)
        else:
            if is_logged:
                log.info("the procfs is mounted", procfs=root)
            return procfs


def _is_empty_directory(path: str) -> bool:
    try:
        return not os.listdir(path)
    except OSError:
        return False


def _log_start(flags: Flags, settings: Settings, procfs: Procfs, addresses: Sequence[str]) -> None:
    log.info(
        "started",
        version=__version__,
        addresses=", ".join(addresses),
        config_file=flags.config_file,
        procfs=procfs.net_directory,
        source=settings.source,
    )
    for name in find_unknown(EVERY_OPTION, os.environ):
        log.warning("unknown environment variable", variable=name)
    if os.geteuid() == 0:
        log.warning("running as root is not required")
    namespaces = procfs.network_namespaces()
    if namespaces is None:
        if procfs.root != DEFAULT_ROOT:
            log.warning("cannot tell whether these are the host's sockets", reading=procfs.net_directory)
        return
    read, own, first = namespaces
    if read != first:
        log.warning(
            "these are not the host's sockets: process 1 is in another network namespace",
            reading=procfs.net_directory,
        )
    elif read != own:
        log.info("reading a network namespace other than the exporter's own", reading=procfs.net_directory)


def _print(content: bytes) -> int:
    try:
        with open(_STANDARD_OUTPUT, "wb", closefd=False) as output:
            output.write(content)
    except OSError as error:
        sys.stderr.write(f"netstat-exporter: standard output: {error.strerror}\n")
        return EXIT_FAILED
    return EXIT_OK


def _refuse(*messages: str) -> int:
    sys.stderr.write("".join(f"{message}\n" for message in messages))
    return EXIT_USAGE
