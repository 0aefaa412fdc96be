"""Measure what listing sockets costs: the kernel alone, ourselves and our peers, side by side.

    python -m benchmarks.bench --output docs/benchmarks.md

It needs root, for network namespaces of its own, in which it makes the sockets.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Final, NamedTuple

import pytest

from benchmarks.contenders import Contender, capabilities, contenders, ours
from benchmarks.load import Load, growing_load
from benchmarks.measure import memory_mb, request_milliseconds
from benchmarks.processes import Probe
from benchmarks.report import write_report
from benchmarks.results import FOLLOWED_SHARE, Answers, Cost, Stage
from tests.support.daemon import Daemon, running_daemon
from tests.support.live.cgroup import find_root
from tests.support.live.namespace import inside, private_namespace

IDLE_SOCKETS: Final = 300
CLOSE_WAIT_SHARE: Final = 0.25
ROUNDS_OF_CAPABILITIES: Final = 31  # in the first owners are searched for, in the others they are known
_DAEMON_CONFIG: Final = "interval: 100ms\ncpu_budget: 1\ntracked: {states: [closing]}\n"

Probes = dict[Contender, Probe | str]
"""Who takes part; of those that cannot, or no more, the reason."""


class Effort(NamedTuple):
    """How often everything is measured, and how long one contender may take at one size."""

    rounds: int
    limit_seconds: float


def main() -> int:
    """Measure, and report."""
    options = parse_options()
    missing = [each.name for each in contenders("tcp") if not each.installed()]
    if os.geteuid() != 0:
        return _refuse("network namespaces need root")
    if missing and options.require_all:
        return _refuse(f"not installed: {', '.join(missing)}")
    try:
        find_root()
    except pytest.skip.Exception as no_cgroups:
        return _refuse(str(no_cgroups))
    effort = Effort(options.rounds, options.time_limit)
    stages: list[Stage] = []
    report = ""
    for stage in chain(
        measure_idle(effort),
        measure_udp(options.udp, effort),
        measure_capabilities(options.capabilities, effort),
        measure_tcp(options.tcp, effort),
    ):
        stages.append(stage)
        report = write_report(stages, options.output)  # at once, so that what is measured is not lost
    print(report)
    return 0


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.bench", description=__doc__)
    sizes: Final = [1_000, 10_000, 100_000]
    parser.add_argument("--tcp", type=int, nargs="*", default=sizes, help="numbers of TCP sockets")
    parser.add_argument("--udp", type=int, nargs="*", default=sizes, help="numbers of UDP sockets")
    parser.add_argument(
        "--capabilities", type=int, nargs="*", default=sizes[1:], help="numbers of TCP sockets"
    )
    parser.add_argument("--rounds", type=int, default=7, help="samples of each contender at each size")
    parser.add_argument("--time-limit", type=float, default=60, help="seconds a contender has at each size")
    parser.add_argument("--require-all", action="store_true", help="fail unless all peers are installed")
    parser.add_argument("--output", help="write Markdown to this file, and a chart beside it")
    return parser.parse_args()


def measure_idle(effort: Effort) -> Iterator[Stage]:
    """Measure our pass over all default tables where there is little to list."""
    with _private_load() as load, _opened(ours("default")) as probes:
        found = load.grow("tcp", IDLE_SOCKETS)
        yield Stage("idle", IDLE_SOCKETS, found, measure_costs(probes, load, effort))


def measure_tcp(sizes: Sequence[int], effort: Effort) -> Iterator[Stage]:
    """Measure all that lists TCP sockets, and how the daemon answers meanwhile."""
    with (
        _private_load() as load,
        _opened(contenders("tcp")) as probes,
        tempfile.NamedTemporaryFile("w", suffix=".yaml") as config,
    ):
        config.write(_DAEMON_CONFIG)
        config.flush()
        with running_daemon(f"--config.file={config.name}", ready=False) as daemon:
            daemon.process.send_signal(signal.SIGSTOP)
            for size in sorted(sizes):
                found = load.grow("tcp", size)
                costs = measure_costs(probes, load, effort)
                load.keep()
                yield Stage("tcp", size, found, costs, measure_answers(daemon))


def measure_udp(sizes: Sequence[int], effort: Effort) -> Iterator[Stage]:
    """Measure all that lists UDP sockets."""
    with _private_load() as load, _opened(contenders("udp")) as probes:
        for size in sorted(sizes):
            found = load.grow("udp", size)
            yield Stage("udp", size, found, measure_costs(probes, load, effort))


def measure_capabilities(sizes: Sequence[int], effort: Effort) -> Iterator[Stage]:
    """Measure what is done beyond counting, a tenth of the sockets being followed one by one."""
    patient = effort._replace(rounds=max(effort.rounds, ROUNDS_OF_CAPABILITIES))
    with _private_load(FOLLOWED_SHARE) as load, _opened(capabilities()) as probes:
        for size in sorted(sizes):
            found = load.grow("tcp", size)
            yield Stage("capabilities", size, found, measure_costs(probes, load, patient))


def measure_costs(probes: Probes, load: Load, effort: Effort) -> dict[str, Cost]:
    """Let all take turns, so that what disturbs the machine disturbs all of them."""
    samples: dict[str, list[float]] = {contender.name: [] for contender in probes}
    seconds: dict[str, list[float]] = {contender.name: [] for contender in probes}
    peaks_mb: dict[str, float] = {}
    for _ in range(effort.rounds):
        for contender, probe in probes.items():
            name = contender.name
            left_seconds = effort.limit_seconds - sum(seconds[name])
            if isinstance(probe, str) or left_seconds < max(seconds[name], default=0):
                continue
            load.keep()
            started = time.monotonic()
            try:
                samples[name].append(probe.sample(left_seconds) * 1000)
                peaks_mb[name] = probe.peak_mb()
            except TimeoutError:
                probes[contender] = f"over {effort.limit_seconds:g} s"
            seconds[name].append(time.monotonic() - started)
    return {
        contender.name: Cost(
            contender.source,
            tuple(samples[contender.name]),
            peaks_mb.get(contender.name, 0.0),
            probe if isinstance(probe, str) else "",
        )
        for contender, probe in probes.items()
    }


def measure_answers(daemon: Daemon) -> Answers:
    """Wake the daemon, talk to it, and send it to sleep again."""
    daemon.process.send_signal(signal.SIGCONT)
    milliseconds = request_milliseconds(daemon.port)
    resident_mb = memory_mb(daemon.process.pid, "VmRSS")
    daemon.process.send_signal(signal.SIGSTOP)
    return Answers(milliseconds, resident_mb)


@contextmanager
def _private_load(close_wait_share: float = CLOSE_WAIT_SHARE) -> Iterator[Load]:
    with private_namespace() as namespace, inside(namespace.path), growing_load(close_wait_share) as load:
        yield load


@contextmanager
def _opened(found: Iterable[Contender]) -> Iterator[Probes]:
    with ExitStack() as stack:
        yield {
            each: stack.enter_context(each.open()) if each.installed() else "not installed" for each in found
        }


def _refuse(message: str) -> int:
    print(f"benchmarks: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
