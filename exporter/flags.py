"""The command line, spelt as users of Prometheus know it."""

import argparse
import re
from collections.abc import Sequence
from typing import Final

from exporter import __version__
from exporter.kernel.pods import DEFAULT_POD_LOGS
from exporter.logs import FORMATS, LEVELS

DEFAULT_ADDRESS: Final = ":9068"


class Flags(argparse.Namespace):
    """The parsed flags, by their names with underscores."""

    config_file: str | None
    config_check: bool
    web_config_file: str | None
    web_listen_address: list[str] | None
    web_systemd_socket: bool
    web_telemetry_path: str
    web_max_requests: int
    web_enable_lifecycle: bool
    path_procfs: str
    path_services: str
    path_pod_logs: str
    log_level: str
    log_format: str
    once: bool


def parse_flags(arguments: Sequence[str] | None = None) -> Flags:
    """Parse the arguments, by default the process' own; exits with 2 and a message when they are wrong."""
    parser = argparse.ArgumentParser(
        prog="netstat-exporter",
        description="Counts the kernel's sockets by protocol, state, direction and port for Prometheus.",
        epilog="No flag and no file is required. SIGHUP reloads the configuration and the services file. "
        "Exit codes: 0 when a signal stopped it, 1 when it failed, 2 for a wrong flag, file or address.",
        allow_abbrev=False,
    )
    for flag, options in _FLAGS.items():
        name = flag.removeprefix("--").replace(".", "_").replace("-", "_")
        parser.add_argument(flag, dest=name, **options)  # type: ignore[arg-type]
    parser.add_argument("--version", action="version", version=f"netstat-exporter, version {__version__}")
    flags = parser.parse_args(arguments, namespace=Flags())
    if flags.web_systemd_socket and flags.web_listen_address:
        parser.error("--web.systemd-socket and --web.listen-address exclude each other")
    return flags


_TELEMETRY_PATH: Final = re.compile(r"(/[\w.~-]+)+", re.ASCII)


def _telemetry_path(word: str) -> str:
    if word.startswith("/-/"):
        raise argparse.ArgumentTypeError(f"{word!r} is reserved")
    if not _TELEMETRY_PATH.fullmatch(word):
        raise argparse.ArgumentTypeError(f"{word!r} is not a path such as /metrics")
    return word


def _number_of_requests(word: str) -> int:
    if not word.isdecimal() or not 0 < int(word) <= _MAX_REQUESTS:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number from 1 to {_MAX_REQUESTS}")
    return int(word)


_MAX_REQUESTS: Final = 10_000
_FLAGS: Final[dict[str, dict[str, object]]] = {
    "--config.file": {
        "metavar": "FILE",
        "help": "configuration, as YAML (default: none, built-in defaults apply)",
    },
    "--config.check": {"action": "store_true", "help": "check the configuration files and exit, with 0 or 2"},
    "--web.config.file": {
        "metavar": "FILE",
        "help": "TLS, client certificates, users and headers, as YAML in exporter-toolkit's format; "
        "reloaded when it changes",
    },
    "--web.listen-address": {
        "metavar": "ADDRESS",
        "action": "append",
        "help": f"address: :PORT, HOST:PORT or [IPV6]:PORT; repeatable (default: {DEFAULT_ADDRESS})",
    },
    "--web.systemd-socket": {
        "action": "store_true",
        "help": "listen on the sockets that systemd passes, instead of an address",
    },
    "--web.telemetry-path": {
        "metavar": "PATH",
        "type": _telemetry_path,
        "default": "/metrics",
        "help": "path of the metrics (default: %(default)s)",
    },
    "--web.max-requests": {
        "metavar": "N",
        "type": _number_of_requests,
        "default": 40,
        "help": f"maximum of concurrent requests, up to {_MAX_REQUESTS}; more get 503 (default: %(default)s)",
    },
    "--web.enable-lifecycle": {
        "action": "store_true",
        "help": "enable POST /-/reload, which reloads the configuration",
    },
    "--path.procfs": {
        "metavar": "DIRECTORY",
        "default": "/proc",
        "help": "procfs to read; in a container, the mount point of the host's (default: %(default)s)",
    },
    "--path.services": {
        "metavar": "FILE",
        "default": "/etc/services",
        "help": "file with the names of ports (default: %(default)s)",
    },
    "--path.pod-logs": {
        "metavar": "DIRECTORY",
        "default": DEFAULT_POD_LOGS,
        "help": "the kubelet's log directory, which has the names of pods (default: %(default)s)",
    },
    "--log.level": {
        "choices": LEVELS,
        "default": "info",
        "help": "lowest level to log (default: %(default)s)",
    },
    "--log.format": {
        "choices": FORMATS,
        "default": "logfmt",
        "help": "format of log lines (default: %(default)s)",
    },
    "--once": {
        "action": "store_true",
        "help": "print one pass and exit, for node_exporter's textfile collector",
    },
}
