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
from benchmarks.contenders import BARE, BARE_DUMPS
from benchmarks.headline import headline_lines
from benchmarks.measure import percentile
from benchmarks.namespaces import HEADINGS, NamespaceCost, write_rows
from benchmarks.results import (
    CLOSE_EVENTS,
    IDLE,
    LISTENERS,
    OPEN_FILES,
    PORTS,
    STATUS,
    TCP,
    UDP,
    Stage,
    growing,
)
from benchmarks.tables import Row, write_number, write_table
from benchmarks.targets import targets
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
answer over the same source is thrown away: one read of both tables of procfs, or one dump of IPv4. Again it
is the median. "As shipped" is our pass at the default settings, which reads small tables by the cheaper
source and large ones over netlink; it also names the owner of the sockets, one unit, in which all of them
were made, and had passes before, in which it is searched for. "Counts only" does what the others do. Peak is
the most memory the process has had; of those that go on running, in this stage or before. The daemon is asked
over one connection; while the sockets become more, it takes each pass 100 ms after the last, and tracks none
of them.
"""
_NAMESPACES: Final = """\
CPU milliseconds of a pass over the host, which is nearly idle, and so many other network namespaces, at
the default settings. Passes follow each other at once. "All tables read" is what the kernel alone needs for
the four tables of each of them. "kB each" is how much the process has grown for each.
"""
_NOTES_HEADING: Final = "\n## Notes\n"
_HEADINGS: Final = {
    IDLE: "Idle host, all default tables: {size:,} TCP sockets",
    TCP: "{size:,} TCP sockets, {share:.0%} in CLOSE_WAIT",
    UDP: "{size:,} UDP sockets",
    STATUS: "The status of a host with {size:,} pods",
    PORTS: "{size:,} UDP sockets, connected to {ports:,} remote ports, all default tables",
    LISTENERS: "The collector listeners, {size:,} listeners",
    OPEN_FILES: "The collector open_files, {size:,} processes",
    CLOSE_EVENTS: "The thread of the collector closed_connections, {size:,} events",
}


def write_report(
    stages: Sequence[Stage], headline: int, path: str | None, namespaces: Sequence[NamespaceCost] = ()
) -> str:
    """Return the report, which begins with ``headline`` sockets.

    Where a path is given, write it there, before its notes, and the chart beside it.
    """
    if path is None:
        return "\n".join(_lines(stages, headline, "", namespaces))
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    chart = os.path.splitext(path)[0] + ".svg"
    with open(chart, "w", encoding="utf-8") as file:
        file.write(draw_chart(growing(stages)))
    report = "\n".join(_lines(stages, headline, os.path.basename(chart), namespaces))
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


def _lines(
    stages: Sequence[Stage], headline: int, chart: str, namespaces: Sequence[NamespaceCost]
) -> Iterator[str]:
    yield "# Benchmarks"
    yield _INTRODUCTION
    yield from write_table(("where", "what"), describe_surroundings().items())
    yield from headline_lines(stages, headline)
    yield "\n## Targets\n"
    yield from write_table(
        ("target", "at most", "measured", ""),
        (
            (each.text, f"{each.limit:g} {each.unit}", write_number(each.value, each.unit), each.verdict)
            for each in targets(stages)
        ),
    )
    yield "\n## Answers of the daemon while it takes pass after pass\n"
    yield from write_table(
        ("TCP sockets", "requests", "p50 ms", "p99 ms", "max ms", "resident MB"), _answers(stages)
    )
    if chart:
        yield f"\n## CPU by sockets\n\n![CPU milliseconds by TCP sockets]({chart})"
    if namespaces:
        yield f"\n## Other network namespaces\n\n{_NAMESPACES}"
        yield from write_table(HEADINGS, write_rows(namespaces))
    for stage in sorted(
        stages, key=lambda stage: (list(_HEADINGS).index(stage.kind), stage.size, stage.share)
    ):
        heading = _HEADINGS[stage.kind].format(size=stage.size, share=stage.share, ports=stage.ports)
        yield f"\n## {heading}\n"
        yield f"There: {stage.found}.\n"
        yield from write_table(
            ("contender", "source", "CPU ms", "least-most", "x bare", "peak MB", "samples"), _costs(stage)
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


def _version(command: Sequence[str]) -> str:
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
        if stage.kind == TCP and stage.answers:
            took, resident_mb = stage.answers
            shown = (percentile(took, 0.5), percentile(took, 0.99), max(took), resident_mb)
            yield (f"{stage.size:,}", str(len(took)), *(f"{each:.1f}" for each in shown))


def _costs(stage: Stage) -> Iterator[Row]:
    for name, cost in stage.costs.items():
        if not cost.cpu_ms:
            yield name, cost.source, cost.remark, "", "", "", "0"
            continue
        least_most = f"{min(cost.cpu_ms):,.1f}-{max(cost.cpu_ms):,.1f}"
        bare = BARE[cost.source]
        ratio = write_number(stage.ratio(name, bare if bare in stage.costs else BARE_DUMPS), "x")
        samples = f"{len(cost.cpu_ms)}{cost.remark and f', then {cost.remark}'}"
        yield name, cost.source, f"{cost.median_ms:,.1f}", least_most, ratio, f"{cost.peak_mb:.1f}", samples
