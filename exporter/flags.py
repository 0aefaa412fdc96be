"""The command line, spelt as users of Prometheus know it, and the environment variables beside it."""

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from exporter.kernel.pods import DEFAULT_POD_LOGS
from exporter.options import Option, name_attribute, name_variable
from exporter.status.links import STATUS_PATH
from exporter.terminal.options import SHOW_OPTIONS

DEFAULT_ADDRESS: Final = ":9068"
SHOW: Final = "show"


class Flags(argparse.Namespace):
    """The parsed flags, by their names with underscores; those of ``variables`` are from the environment.

    Those of ``show`` are there if that is the ``command``.
    """

    command: str | None
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
    version: bool
    variables: frozenset[str]

    listen: bool
    state: str | None
    port: str | None
    by: str | None
    peers: bool
    json: bool
    watch: float | None
    url: str | None
    user: str | None
    password_file: str | None
    ca_file: str | None
    cert_file: str | None
    key_file: str | None

    def name_source(self, flag: str) -> str:
        """Return what an operator has to change: the flag, or its environment variable."""
        return name_variable(flag) if flag in self.variables else flag


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="netstat-exporter",
        description="Counts the kernel's sockets by protocol, state, direction and port for Prometheus.",
        epilog="No flag and no file is required. A flag that is not given has the value of its environment "
        "variable, such as NETSTAT_EXPORTER_WEB_LISTEN_ADDRESS for --web.listen-address; --config.check, "
        "--once and --version have none. Several addresses are separated by commas; the variable of a flag "
        "without a value is true or false. SIGHUP reloads the configuration and the services file. "
        "Exit codes: 0 when a signal stopped it, "
        "1 when it failed, 2 for a wrong flag, variable, file or address.",
        allow_abbrev=False,
    )
    for flag, option in OPTIONS.items():
        option.add_to(parser, flag)
    commands = parser.add_subparsers(dest="command", title="commands", metavar=SHOW)
    show = commands.add_parser(
        SHOW,
        help="show who leaks and what runs out, on a terminal",
        description="Shows who leaks, what runs out, and the sockets of each service. It asks the running "
        "daemon; where there is none, it takes a pass of its own.",
        epilog="Colours are used on a terminal, unless NO_COLOR is set. Exit codes: 0 when it was shown, "
        "1 when there was nothing to show, 2 for a wrong flag, variable, file or address.",
        allow_abbrev=False,
    )
    for flag, option in OF_SHOW.items():
        option.add_to(show, flag)
    return parser


def parse_flags(arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> Flags:
    """Parse the arguments, by default the process' own; exits with 2 and a message when they are wrong.

    A flag that is not given has the value of its environment variable, or else its default.
    """
    words = sys.argv[1:] if arguments is None else arguments
    parser = make_parser()
    flags = parser.parse_args(words, namespace=Flags())
    if flags.command and words[0] != flags.command:
        parser.error(f"{flags.command} comes first, and its flags after it")
    options = OF_SHOW if flags.command else OPTIONS
    found = {} if flags.version else _read_environment(parser, flags, options, environment)
    flags.variables = frozenset(found)
    for flag, option in options.items():
        if getattr(flags, name_attribute(flag)) is None:
            setattr(flags, name_attribute(flag), found.get(flag, option.default))
    if problem := find_contradiction(flags):
        parser.error(problem)
    return flags


def find_contradiction(flags: Flags) -> str | None:
    """Return which given flags exclude or need each other; None if there is no conflict."""
    if not flags.command:
        if flags.web_systemd_socket and flags.web_listen_address:
            return f"{' and '.join(map(flags.name_source, _EXCLUSIVE))} exclude each other"
        return None
    if flags.json and (flags.peers or flags.by):
        return f"--json and {'--peers' if flags.peers else '--by'} exclude each other"
    for flag, needed in _NEEDED.items():
        if getattr(flags, name_attribute(flag)) and not getattr(flags, name_attribute(needed)):
            return f"{flags.name_source(flag)} needs {needed}"
    return None


def _read_environment(
    parser: argparse.ArgumentParser,
    flags: Flags,
    options: Mapping[str, Option],
    environment: Mapping[str, str],
) -> dict[str, object]:
    """Return the values of environment variables whose flags are not given, by flag."""
    found: dict[str, object] = {}
    for flag, option in options.items():
        text = environment.get(name_variable(flag))
        if not (text and option.has_variable) or _is_given(flags, flag):
            continue
        try:
            found[flag] = option.read_variable(text)
        except argparse.ArgumentTypeError as error:
            parser.error(f"environment variable {name_variable(flag)}: {error}")
    return found


def _is_given(flags: Flags, flag: str) -> bool:
    """Return whether a flag is on the command line, or one that excludes it."""
    alike = _EXCLUSIVE if flag in _EXCLUSIVE else (flag,)
    return any(getattr(flags, name_attribute(each)) is not None for each in alike)


_TELEMETRY_PATH: Final = re.compile(r"(/[\w.~-]+)+", re.ASCII)


def _telemetry_path(word: str) -> str:
    if word.startswith("/-/") or word == STATUS_PATH:
        raise argparse.ArgumentTypeError(f"{word!r} is reserved")
    if not _TELEMETRY_PATH.fullmatch(word):
        raise argparse.ArgumentTypeError(f"{word!r} is not a path such as /metrics")
    return word


def _number_of_requests(word: str) -> int:
    if not word.isdecimal() or not 0 < int(word) <= _MAX_REQUESTS:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number from 1 to {_MAX_REQUESTS}")
    return int(word)


_MAX_REQUESTS: Final = 10_000
_EXCLUSIVE: Final = ("--web.systemd-socket", "--web.listen-address")
_NEEDED: Final = {"--user": "--password-file", "--password-file": "--user", "--key-file": "--cert-file"}

OPTIONS: Final[Mapping[str, Option]] = {
    "--config.file": Option("configuration, as YAML (default: none, built-in defaults apply)", "FILE"),
    "--config.check": Option(
        "check the configuration files and exit, with 0 or 2",
        default=False,
        action="store_true",
        has_variable=False,
    ),
    "--web.config.file": Option(
        "TLS, client certificates, users and headers, as YAML in exporter-toolkit's format; "
        "reloaded when it changes",
        "FILE",
    ),
    "--web.listen-address": Option(
        f"address: :PORT, HOST:PORT or [IPV6]:PORT; repeatable (default: {DEFAULT_ADDRESS})",
        "ADDRESS",
        action="append",
    ),
    "--web.systemd-socket": Option(
        "listen on the sockets that systemd passes, instead of an address", default=False, action="store_true"
    ),
    "--web.telemetry-path": Option("path of the metrics", "PATH", "/metrics", _telemetry_path),
    "--web.max-requests": Option(
        f"maximum of concurrent requests, up to {_MAX_REQUESTS}, and half as many from one address; "
        "more get 503",
        "N",
        40,
        _number_of_requests,
    ),
    "--web.enable-lifecycle": Option(
        "enable POST /-/reload, which reloads the configuration", default=False, action="store_true"
    ),
    "--path.procfs": Option(
        "procfs to read; in a container, the mount point of the host's", "DIRECTORY", "/proc"
    ),
    "--path.services": Option("file with the names of ports", "FILE", "/etc/services"),
    "--path.pod-logs": Option(
        "the kubelet's log directory, which has the names of pods", "DIRECTORY", DEFAULT_POD_LOGS
    ),
    "--log.level": Option(
        "lowest level to log", default="info", choices=("debug", "info", "warning", "error")
    ),
    "--log.format": Option("format of log lines", default="logfmt", choices=("logfmt", "json")),
    "--once": Option(
        "print one pass and exit, for node_exporter's textfile collector",
        default=False,
        action="store_true",
        has_variable=False,
    ),
    "--version": Option(
        "print the version, and where this installation is, and exit",
        default=False,
        action="store_true",
        has_variable=False,
    ),
}
"""The flags of the daemon."""

_OF_PASSES: Final = ("--config.file", "--path.procfs", "--path.services", "--path.pod-logs")
OF_SHOW: Final[Mapping[str, Option]] = {**SHOW_OPTIONS, **{flag: OPTIONS[flag] for flag in _OF_PASSES}}
"""The flags of ``show``: its own, and those that say what a pass reads."""

EVERY_OPTION: Final[Mapping[str, Option]] = {**OPTIONS, **OF_SHOW}
