"""Draw CPU time by number of sockets as a small SVG: logarithmic axes, every line labelled at its end."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from benchmarks.contenders import BARE_DUMP, COLLECTD, NODE_EXPORTER, PSUTIL, SHIPPED, SHIPPED_PROCFS, SS
from benchmarks.results import Stage

_WIDTH: Final = 940
_HEIGHT: Final = 480
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 600, 30, 430
_LABEL_HEIGHT: Final = 17

_HEAD: Final = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
    'font-family="sans-serif" font-size="13">\n'
    f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
)


class Style(NamedTuple):
    """How a line is drawn: no two have one pattern of dashes, so that they differ in grey, too."""

    colour: str
    width: float
    dashes: str


LINES: Final = MappingProxyType(
    {
        SHIPPED: Style("#b03020", 3.5, "none"),
        SHIPPED_PROCFS: Style("#b03020", 2.5, "10 5"),
        PSUTIL: Style("#777777", 1.5, "2 4"),
        SS: Style("#1f4e79", 1.5, "14 4 2 4"),
        NODE_EXPORTER: Style("#1e6b3a", 1.5, "6 3"),
        COLLECTD: Style("#5b3a8c", 1.5, "3 2"),
        BARE_DUMP: Style("#9a9a9a", 1.5, "none"),
    }
)
"""What is drawn: more lines would hide each other."""

Point = tuple[float, float]


class Axis(NamedTuple):
    """A logarithmic axis from a power of ten to another, and where its ends are drawn."""

    first: int
    last: int
    start: float
    end: float

    def place(self, value: float) -> float:
        """Return where a value is drawn."""
        return self.start + (math.log10(value) - self.first) / (self.last - self.first) * (
            self.end - self.start
        )


def draw_chart(stages: Sequence[Stage]) -> str:
    """Return the chart of some stages with different numbers of sockets."""
    lines = _collect(stages)
    points = [point for line in lines.values() for point in line]
    if not points:
        return f"{_HEAD}</svg>\n"
    across = _axis((size for size, _ in points), _LEFT, _RIGHT)
    up = _axis((cpu_ms for _, cpu_ms in points), _BOTTOM, _TOP)
    return "\n".join([_HEAD, *_draw_grid(across, up), *_draw_lines(lines, across, up), "</svg>\n"])


def _collect(stages: Iterable[Stage]) -> Mapping[str, Sequence[Point]]:
    lines: dict[str, list[Point]] = {}
    for stage in stages:
        for name, cost in stage.costs.items():
            if cost.cpu_ms and name in LINES:
                lines.setdefault(name, []).append((stage.size, cost.median_ms))
    return lines


def _axis(values: Iterable[float], start: float, end: float) -> Axis:
    logarithms = [math.log10(value) for value in values]
    first = math.floor(min(logarithms))
    return Axis(first, max(first + 1, math.ceil(max(logarithms))), start, end)


def _draw_grid(across: Axis, up: Axis) -> Iterator[str]:
    for power in range(across.first, across.last + 1):
        x = across.place(10**power)
        yield f'<path d="M{x:.1f} {_TOP}V{_BOTTOM}" stroke="#e5e5e5"/>'
        yield f'<text x="{x:.1f}" y="{_BOTTOM + 20}" text-anchor="middle">{10**power:,}</text>'
    for power in range(up.first, up.last + 1):
        y = up.place(10**power)
        yield f'<path d="M{_LEFT} {y:.1f}H{_RIGHT}" stroke="#e5e5e5"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10**power:,g}</text>'
    yield f'<text x="{(_LEFT + _RIGHT) / 2}" y="{_BOTTOM + 40}" text-anchor="middle">TCP sockets</text>'
    yield f'<text x="{_LEFT - 45}" y="{_TOP - 12}">CPU milliseconds to list them once</text>'


def _draw_lines(lines: Mapping[str, Sequence[Point]], across: Axis, up: Axis) -> Iterator[str]:
    previous_y = -math.inf
    for name, line in sorted(lines.items(), key=lambda item: -item[1][-1][1]):
        colour, thickness, dashes = LINES[name]
        places = [(across.place(size), up.place(cpu_ms)) for size, cpu_ms in line]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        stroke = f'stroke="{colour}" stroke-width="{thickness}" stroke-dasharray="{dashes}"'
        yield f'<path class="line" d="M{path}" fill="none" {stroke}/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
        x, y = places[-1]
        previous_y = max(y, previous_y + _LABEL_HEIGHT)  # labels must not lie on one another
        pointer = f"M{x + 4:.1f} {y:.1f}L{_RIGHT + 16} {previous_y:.1f}"
        yield f'<path d="{pointer}" stroke="{colour}" stroke-width="0.7"/>'
        label = escape(f"{name}, {line[-1][1]:,.0f} ms")
        yield f'<text x="{_RIGHT + 20}" y="{previous_y + 4:.1f}" fill="{colour}">{label}</text>'
