"""Draw a few numbers as a small line: the points of an SVG path."""

from collections.abc import Sequence
from typing import Final

WIDTH: Final = 80
HEIGHT: Final = 20

_MARGIN: Final = 1.5  # half of the line, so that none of it is cut off


def draw_line(times: Sequence[float], values: Sequence[float | None]) -> str:
    """Return the path through some values, from 0 at the bottom to the highest at the top.

    It has a gap where a value is not known, and is empty for fewer than two values.
    """
    known = [value for value in values if value is not None]
    if len(known) < 2 or len(times) != len(values):  # noqa: PLR2004 - a line has two ends
        return ""
    span = times[-1] - times[0] or 1.0
    scale = (HEIGHT - 2 * _MARGIN) / (max(known) or 1.0)
    path, is_drawing = [], False
    for at, value in zip(times, values, strict=True):
        if value is not None:
            x = WIDTH * (at - times[0]) / span
            y = HEIGHT - _MARGIN - scale * value
            path.append(f"{'L' if is_drawing else 'M'}{x:.0f} {y:.1f}")
        is_drawing = value is not None
    return "".join(path)
