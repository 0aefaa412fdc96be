"""Write what was measured as Markdown, which reads well on a terminal too, with a chart beside it."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import psutil

from benchmarks.chart import draw_chart
from benchmarks.contenders import BARE, COUNTS
from benchmarks.measure import percentile
from benchmarks.results import Stage, targets
from exporter import __version__

_VERSIONS: Final = {
    "ss": ("ss", "--version"),
    "netstat": ("netstat", "--version"),
    "node_exporter": ("prometheus-node-exporter", "--version"),
    "collectd": ("collectd", "-h"),
}
_INTRODUCTION: Final = """
Each contender lists the same sockets of one private network namespace, in turns. CPU is user and system time,
the median of the samples. "x bare" is how many times what the kernel alone needs in the same round, whose
answer over the same source is thrown away; again it is the median. Over netlink that is one dump for each
family, which is how everyone asks; we get both of TCP in one. "auto" reads small tables over procfs and large
ones over netlink, and is always held against the dump. Our passes only count, as the others do; the one with
everything on has the default settings, and names as the owner of the sockets one unit, in which all of them
were made. Peak is the most memory the process has had; of those that go on running, at this size or before.
The daemon is asked over one connection, and takes each pass 100 ms after the last, with everything on, but
none of the sockets in a watched state.
"""
_NOTES_HEADING: Final = "\n## Notes\n"
_HEADINGS: Final = {
    "idle": "Idle host, all default tables: {size:,} TCP sockets",
    "tcp": "{size:,} TCP sockets",
    "udp": "{size:,} UDP sockets",
    "capabilities": "What the capabilities cost, all default tables: {size:,} TCP sockets",
}

Row = Sequence[str]


def write_report(stages: Sequence[Stage], path: str | None) -> str:
    """Return the report; where a path is given, write it there, before its notes, and the chart beside it."""
    if path is None:
        return "\n".join(_lines(stages, ""))
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    chart = os.path.splitext(path)[0] + ".svg"
    with open(chart, "w", encoding="utf-8") as file:
        file.write(draw_chart([stage for stage in stages if stage.protocol == "tcp"]))
    report = "\n".join(_lines(stages, os.path.basename(chart)))
    notes = _read_notes(path)
    with open(path, "w", encoding="utf-8") as file:
        file.write(report + "\n" + notes)
    return report


def _read_notes(path: str) -> str:
    """Return what was written by hand at the end of an earlier report."""
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        _, heading, notes = file.read().partition(_NOTES_HEADING)
    return heading + notes


def _lines(stages: Sequence[Stage], chart: str) -> Iterator[str]:
    yield "# Benchmarks"
    yield _INTRODUCTION
    yield from _table(("where", "what"), describe_surroundings().items())
    yield "\n## Targets\n"
    yield from _table(
        ("target", "at most", "measured", ""),
        (
            (each.text, f"{each.limit:g} {each.unit}", _number(each.value, each.unit), each.verdict)
            for each in targets(stages)
        ),
    )
    yield "\n## Answers of the daemon while it takes pass after pass\n"
    yield from _table(
        ("TCP sockets", "requests", "p50 ms", "p99 ms", "max ms", "resident MB"), _answers(stages)
    )
    if chart:
        yield f"\n## CPU by sockets\n\n![CPU milliseconds by TCP sockets]({chart})"
    for stage in sorted(stages, key=lambda stage: list(_HEADINGS).index(stage.protocol)):
        yield f"\n## {_HEADINGS[stage.protocol].format(size=stage.size)}\n"
        yield f"There: {stage.found}.\n"
        yield from _table(
            ("contender", "source", "CPU ms", "least-most", _ratio_title(stage), "peak MB", "samples"),
            _costs(stage),
        )


def describe_surroundings() -> Mapping[str, str]:
    """Return the machine, the versions and the command."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo", encoding="utf-8") as file:
        megabytes = int(file.readline().split()[1]) // 1000
    versions = {name: _version(command) for name, command in _VERSIONS.items()}
    return {
        "machine": f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores, {megabytes:,} MB",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "netstat-exporter": __version__,
        "psutil": psutil.__version__,
        **versions,
        "command": f"`python -m benchmarks.bench {shlex.join(sys.argv[1:])}`",
    }


def _version(command: Row) -> str:
    """Return the first line with a digit that a command prints when asked for its version."""
    try:
        ran = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except FileNotFoundError:
        return "not installed"
    numbered = (line.strip() for line in ran.stdout.splitlines() if any(map(str.isdigit, line)))
    return next(numbered, "unknown").partition(" (branch")[0].partition(", http")[0]


def _answers(stages: Iterable[Stage]) -> Iterator[Row]:
    for stage in stages:
        if stage.answers:
            took, resident_mb = stage.answers
            shown = (percentile(took, 0.5), percentile(took, 0.99), max(took), resident_mb)
            yield (f"{stage.size:,}", str(len(took)), *(f"{each:.1f}" for each in shown))


def _ratio_title(stage: Stage) -> str:
    return f"x {COUNTS}" if stage.protocol == "capabilities" else "x bare"


def _costs(stage: Stage) -> Iterator[Row]:
    for name, cost in stage.costs.items():
        if not cost.cpu_ms:
            yield name, cost.source, cost.remark, "", "", "", "0"
            continue
        least_most = f"{min(cost.cpu_ms):,.1f}-{max(cost.cpu_ms):,.1f}"
        other = COUNTS if stage.protocol == "capabilities" else BARE[cost.source]
        ratio = _number(stage.ratio(name, other), "x")
        samples = f"{len(cost.cpu_ms)}{cost.remark and f', then {cost.remark}'}"
        yield name, cost.source, f"{cost.median_ms:,.1f}", least_most, ratio, f"{cost.peak_mb:.1f}", samples


def _number(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.2f} {unit}"


def _table(head: Row, rows: Iterable[Row]) -> Iterator[str]:
    """Yield an aligned table, the numbers to the right."""
    cells = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [all(cell[:1].isdigit() for cell in column[1:] if cell) for column in zip(*cells, strict=True)]
    rule = [
        "-" * (width - 1) + (":" if is_right else "-") for width, is_right in zip(widths, right, strict=True)
    ]
    for row in (cells[0], rule, *cells[1:]):
        padded = (
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        )
        yield f"| {' | '.join(padded)} |"
