"""Heed signals from the first moment on, before anything that takes long is imported or read."""

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Final

_ONE_SHOT: Final = {"--once", "--config.check", "--version", "--help", "-h"}

_hangups: list[int] = []


def handle_signals(arguments: Sequence[str]) -> None:
    """Have SIGTERM and SIGINT end the process with 0, and take note of SIGHUP.

    A command that only prints something is left as it is: ended in the middle, it has not succeeded.
    """
    if not _ONE_SHOT.isdisjoint(arguments):
        return
    signal.signal(signal.SIGHUP, _note)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)


def was_reload_requested() -> bool:
    """Tell whether SIGHUP came."""
    return bool(_hangups)


def _note(number: int, _: FrameType | None) -> None:
    _hangups.append(number)


def _leave(_: int, __: FrameType | None) -> None:
    sys.exit(0)
