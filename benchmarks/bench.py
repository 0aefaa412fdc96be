"""Measure what listing sockets costs: the kernel alone, ourselves and our peers, side by side.

    python -m benchmarks.bench --output docs/benchmarks.md

It needs root, for network namespaces of its own, in which it makes the sockets.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from itertools import chain

import pytest

from benchmarks.contenders import tcp_contenders
from benchmarks.namespaces import measure_namespaces
from benchmarks.report import write_report
from benchmarks.results import SHARES, USUAL_SHARE, Stage
from benchmarks.stages import (
    Effort,
    measure_close_events,
    measure_collectors,
    measure_growth,
    measure_idle,
    measure_ports,
    measure_share,
    measure_status,
    measure_udp,
)
from benchmarks.targets import LARGE, LARGEST
from tests.support.live.cgroup import find_root


def main() -> int:
    """Measure, and report."""
    options = parse_options()
    missing = [each.name for each in tcp_contenders() if not each.installed()]
    if os.geteuid() != 0:
        return _refuse("network namespaces need root")
    if missing and options.require_all:
        return _refuse(f"not installed: {', '.join(missing)}")
    try:
        find_root()
    except pytest.skip.Exception as no_cgroups:
        return _refuse(str(no_cgroups))
    stages: list[Stage] = []
    report = ""
    namespaces = [*measure_namespaces(options.namespaces, options.rounds)]
    for stage in measure_all(options):
        stages.append(stage)
        # At once, so that what is measured is not lost.
        report = write_report(stages, options.headline, options.output, namespaces)
    print(report)
    return 0


def measure_all(options: argparse.Namespace) -> Iterator[Stage]:
    """Yield each stage as it is measured."""
    effort = Effort(options.rounds, options.time_limit, options.asking_time)
    other_shares = [share for share in SHARES if share != USUAL_SHARE]
    return chain(
        measure_idle(effort),
        measure_status(effort),
        measure_ports(options.ports, effort),
        measure_udp(options.udp, effort),
        measure_collectors(options.listeners, options.processes, effort),
        measure_close_events(options.events, effort),
        *(measure_share(options.headline, share, effort) for share in other_shares),
        measure_growth({*options.tcp, options.headline}, effort),
    )


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.bench", description=__doc__)
    sizes = [1_000, 10_000, LARGEST]
    parser.add_argument("--headline", type=int, default=LARGE, help="number of TCP sockets in the headline")
    parser.add_argument("--tcp", type=int, nargs="*", default=sizes, help="other numbers of TCP sockets")
    parser.add_argument("--udp", type=int, default=LARGE, help="number of UDP sockets")
    parser.add_argument("--ports", type=int, default=30_000, help="number of remote ports")
    parser.add_argument("--listeners", type=int, default=1000, help="number of listeners")
    parser.add_argument("--processes", type=int, default=500, help="number of processes")
    parser.add_argument("--events", type=int, default=10_000, help="number of events of closed connections")
    parser.add_argument("--namespaces", type=int, default=500, help="most other network namespaces")
    parser.add_argument("--rounds", type=int, default=15, help="samples of each contender in each stage")
    parser.add_argument("--time-limit", type=float, default=8, help="seconds a contender has in each stage")
    parser.add_argument(
        "--asking-time", type=float, default=5, help="seconds the daemon is asked at each size"
    )
    parser.add_argument("--require-all", action="store_true", help="fail unless all peers are installed")
    parser.add_argument("--output", help="write Markdown to this file, and a chart beside it")
    return parser.parse_args()


def _refuse(message: str) -> int:
    print(f"benchmarks: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
