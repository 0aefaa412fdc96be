"""The flags of ``netstat-exporter show``."""

import argparse
from collections.abc import Mapping
from typing import Final

from exporter.kernel.states import DATAGRAM, TCP, UNIX
from exporter.options import Option

DEFAULT_URL: Final = "http://localhost:9068"
BY_PORT: Final = "port"
BY_UNIT: Final = "unit"
BY_POD: Final = "pod"

_STATES: Final = tuple(sorted({*TCP.values(), *DATAGRAM.values(), *UNIX.values()}))
_SHORTEST_SECONDS: Final = 0.5
_LONGEST_SECONDS: Final = 3600.0
_USUAL_SECONDS: Final = 5.0


def _state(word: str) -> str:
    """Return the name of a state, however ss or netstat write it."""
    return word.lower().replace("-", "_")


def _seconds(word: str) -> float:
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0.0
    if not _SHORTEST_SECONDS <= seconds <= _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{word!r} is not a number of seconds from {_SHORTEST_SECONDS} to {_LONGEST_SECONDS:.0f}"
        )
    return seconds


def _command(text: str) -> Option:
    return Option(text, default=False, action="store_true", has_variable=False)


SHOW_OPTIONS: Final[Mapping[str, Option]] = {
    "--listen": _command("show what listens, with its accept queue"),
    "--state": Option(
        "show services with sockets in this state, such as close_wait",
        "STATE",
        read=_state,
        choices=_STATES,
        has_variable=False,
    ),
    "--port": Option("show this port only, by its number or name", "PORT", has_variable=False),
    "--by": Option(
        "add sockets up by port, by unit or container, or by pod",
        choices=(BY_PORT, BY_UNIT, BY_POD),
        has_variable=False,
    ),
    "--peers": _command(
        "add the busiest remote addresses of leaks of this host; for root, on a terminal, and never stored"
    ),
    "--json": _command("print the status as JSON, as /api/v1/status has it"),
    "--watch": Option(
        f"repeat it every so many seconds until Ctrl-C (without a number: {_USUAL_SECONDS:.0f})",
        "SECONDS",
        read=_seconds,
        constant=_USUAL_SECONDS,
        has_variable=False,
    ),
    "--url": Option(
        f"address of the daemon (default: {DEFAULT_URL}, and a pass of its own if nothing listens there)",
        "URL",
    ),
    "--user": Option("user, if the daemon asks for one; with --password-file", "NAME"),
    "--password-file": Option("file with the password, in its first line", "FILE"),
    "--ca-file": Option(
        "trusted certificates, to verify the daemon's (default: those of the system)", "FILE"
    ),
    "--cert-file": Option("client certificate, if the daemon asks for one", "FILE"),
    "--key-file": Option("key of the client certificate (default: in the same file)", "FILE"),
}
"""The flags of ``show``, beside those that say what a pass of its own reads."""
