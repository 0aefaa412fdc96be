"""Draw a few numbers as a small line: the points of an SVG path."""

from collections.abc import Sequence
from typing import Final

WIDTH: Final = 80
HEIGHT: Final = 20

_MARGIN: Final = 1.5  # half of the line, so that none of it is cut off


class Sparklines:
    """Draws lines of the same times, which become the same places from left to right."""

    def __init__(self, times: Sequence[float]) -> None:
        span = times[-1] - times[0] or 1.0 if times else 1.0
        self._places = [f"{WIDTH * (at - times[0]) / span:.0f}" for at in times]

    def draw(self, values: Sequence[float | None]) -> str:
        """Return the path through some values, from 0 at the bottom to the highest at the top.

        It has a gap where a value is not known, and is empty for fewer than two values.
        """
        known = [value for value in values if value is not None]
        if len(known) < 2 or len(self._places) != len(values):  # noqa: PLR2004 - a line has two ends
            return ""
        bottom = HEIGHT - _MARGIN
        scale = (HEIGHT - 2 * _MARGIN) / (max(known) or 1.0)
        path, command = [], "M"
        for x, value in zip(self._places, values, strict=True):
            if value is None:
                command = "M"
            else:
                path.append(f"{command}{x} {bottom - scale * value:.1f}")
                command = "L"
        return "".join(path)
