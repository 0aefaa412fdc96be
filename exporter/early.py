"""Handle signals from the start, before slow imports and reads."""

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Final

_ONE_SHOT: Final = {"--once", "--config.check", "--version", "--help", "-h"}

_hangups: list[int] = []


def handle_signals(arguments: Sequence[str]) -> None:
    """Make SIGTERM and SIGINT end the process with 0, and remember SIGHUP.

    Commands that only print something keep the defaults: a signal makes them fail.
    """
    if arguments[:1] == ["show"]:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a person ends it: quietly, at any time
        return
    if not _ONE_SHOT.isdisjoint(arguments):
        return
    signal.signal(signal.SIGHUP, _note)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)


def was_reload_requested() -> bool:
    """Return whether SIGHUP came."""
    return bool(_hangups)


def _note(number: int, _: FrameType | None) -> None:
    _hangups.append(number)


def _leave(_: int, __: FrameType | None) -> None:
    sys.exit(0)
