"""Write to standard output as it is: a terminal with colours and a width, a pipe, or one that has closed."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from exporter.terminal.errors import ShowError

_COLOURS: Final = {"critical": "1;31", "warning": "33", "title": "1", "dim": "2"}  # ECMA-48, SGR
_ENTER: Final = "\x1b[?1049h\x1b[?25l"  # xterm's other screen, and no cursor
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H"
_TO_THE_END_OF_LINE: Final = "\x1b[K"
_TO_THE_END: Final = "\x1b[J"
_DUMB: Final = "dumb"
_USUAL: Final = os.terminal_size((80, 24))


class ClosedError(Exception):
    """Nobody reads standard output any more."""


class Screen:
    """Standard output. In place, one page replaces the other on a terminal; a pipe gets all of them."""

    def __init__(self, environment: Mapping[str, str] = os.environ, *, in_place: bool = False) -> None:
        self.is_terminal = sys.stdout.isatty()
        is_able = self.is_terminal and environment.get("TERM", _DUMB) != _DUMB
        self._has_colours = is_able and not environment.get("NO_COLOR")
        self._in_place = in_place and is_able
        self._is_entered = False

    @property
    def width(self) -> int | None:
        """How many columns there are now; None if a line may have any length."""
        return _measure().columns if self.is_terminal else None

    def paint(self, text: str, style: str) -> str:
        """Return a text in the colour of a style, where there are colours."""
        colour = _COLOURS.get(style)
        return f"\x1b[{colour}m{text}\x1b[0m" if colour and text and self._has_colours else text

    def show(self, lines: Sequence[str]) -> None:
        """Write a page; raises ClosedError, and ShowError where it cannot be written."""
        if not self._in_place:
            self._write("".join(f"{line}\n" for line in lines))
            return
        rows = max(_measure().lines - 1, 1)
        if len(lines) > rows:
            lines = [*lines[: rows - 1], self.paint(f"{len(lines) - rows + 1} more lines", "dim")]
        page = "".join(f"{line}{_TO_THE_END_OF_LINE}\n" for line in lines)
        enter = "" if self._is_entered else _ENTER
        self._is_entered = True
        self._write(f"{enter}{_HOME}{page}{_TO_THE_END}")

    def leave(self) -> None:
        """Show what was there before pages replaced each other."""
        if self._is_entered:
            self._is_entered = False
            self._write(_LEAVE)

    def _write(self, text: str) -> None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError as error:
            # What is still in the buffer goes nowhere, also when the interpreter flushes it at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if isinstance(error, BrokenPipeError):
                raise ClosedError from error
            raise ShowError(f"standard output: {error.strerror}") from error


def _measure() -> os.terminal_size:
    """Return the size of the terminal itself, not what a shell exported; a serial line has none."""
    size = os.get_terminal_size(sys.stdout.fileno())
    return size if size.columns and size.lines else _USUAL
