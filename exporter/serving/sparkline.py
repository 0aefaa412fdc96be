"""Draw a few numbers as a small line: the points of an SVG path."""

from collections.abc import Sequence
from typing import Final

WIDTH: Final = 80
HEIGHT: Final = 20

_MARGIN: Final = 1.5  # half of the line, so that none of it is cut off
_LEVELS: Final = [
    f"{HEIGHT - _MARGIN - level / 10:.1f}" for level in range(round(10 * (HEIGHT - 2 * _MARGIN)) + 1)
]
"""Places from the bottom to the top, a tenth of a pixel apart."""


class Sparklines:
    """Draws lines of the same times, whose places from left to right are computed once."""

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
        scale = (len(_LEVELS) - 1) / (max(known) or 1.0)
        path, command = [], "M"
        for x, value in zip(self._places, values, strict=True):
            if value is None:
                command = "M"
            else:
                path.append(f"{command}{x} {_LEVELS[round(scale * value)]}")
                command = "L"
        return "".join(path)
