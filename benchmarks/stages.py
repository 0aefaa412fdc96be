"""Measure: make sockets in a network namespace, and let all who list them take turns."""

import signal
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, NamedTuple

from benchmarks.contenders import (
    ALONE,
    SHIPPED,
    SHIPPED_PROCFS,
    TRACK_NOTHING_THERE,
    Contender,
    collector_contenders,
    event_contenders,
    idle_contenders,
    observer_contenders,
    port_contenders,
    status_contenders,
    tcp_contenders,
    udp_contenders,
)
from benchmarks.crowds import listening, sleeping
from benchmarks.load import PATIENCE_SECONDS, Load, growing_load
from benchmarks.measure import get, memory_mb, request_milliseconds
from benchmarks.processes import Probe
from benchmarks.results import (
    CLOSE_EVENTS,
    IDLE,
    LISTENERS,
    OPEN_FILES,
    PORTS,
    STATUS,
    TCP,
    UDP,
    USUAL_SHARE,
    Answers,
    Cost,
    Stage,
    Start,
)
from benchmarks.shipped import SHIPPED_COMMAND
from tests.support.daemon import Daemon, running_daemon
from tests.support.live.namespace import inside, private_namespace
from tests.support.patience import wait_until
from tests.support.status.crowd import PODS, SIZE_OF_CROWD

IDLE_SOCKETS: Final = 300
FEW_PORTS: Final = 30
_TIMES_THE_ROUNDS: Final = 5
_EVERYTHING_ON: Final = """
tables: [tcp, tcp6, udp, udp6, udplite, udplite6, raw, raw6, unix]
closed_connections: {enabled: true}
memory: {when: always}
"""
_BUSY_DAEMON: Final = f"interval: 100ms\ncpu_budget: 1\n{ALONE}{TRACK_NOTHING_THERE}"

Probes = dict[Contender, Probe | str]
"""Who takes part; of those that cannot, or no more, the reason."""


class Effort(NamedTuple):
    """How often everything is measured, how long one contender may take, and how long the daemon is asked."""

    rounds: int
    limit_seconds: float
    asking_seconds: float


def measure_idle(effort: Effort) -> Iterator[Stage]:
    """Measure our pass over all default tables where there is little to list, and the daemon's memory."""
    with _private_load(USUAL_SHARE) as load:
        found = load.grow("tcp", IDLE_SOCKETS)
        with _opened(idle_contenders()) as probes:
            costs = measure_costs(probes, load, effort)
        load.keep()
        with running_daemon(command=SHIPPED_COMMAND) as daemon:
            answers = measure_answers(daemon, effort)
        yield Stage(IDLE, IDLE_SOCKETS, found, costs, answers=answers)


def measure_status(effort: Effort) -> Iterator[Stage]:
    """Measure what makes the status, and the memory of a daemon with everything on whose page was viewed."""
    with (
        _private_load(USUAL_SHARE) as load,
        _opened(status_contenders()) as probes,
        tempfile.NamedTemporaryFile("w", suffix=".yaml") as config,
    ):
        config.write(_EVERYTHING_ON)
        config.flush()
        for probe in probes.values():
            if not isinstance(probe, str):
                probe.sample(PATIENCE_SECONDS)  # makes the host first, which takes longest
        costs = measure_costs(probes, load, effort)
        found = load.grow("tcp", IDLE_SOCKETS)
        with running_daemon(f"--config.file={config.name}", command=SHIPPED_COMMAND) as daemon:
            get(daemon.port, "/")
            answers = measure_answers(daemon, effort)
        yield Stage(STATUS, PODS, f"{SIZE_OF_CROWD}; for the daemon {found}", costs, answers=answers)


def measure_growth(sizes: Collection[int], effort: Effort) -> Iterator[Stage]:
    """Measure all that lists TCP sockets, as they become more, and how the daemon answers meanwhile."""
    with (
        _private_load(USUAL_SHARE) as load,
        _opened(tcp_contenders()) as probes,
        _opened(observer_contenders()) as observers,
        tempfile.NamedTemporaryFile("w", suffix=".yaml") as config,
    ):
        config.write(_BUSY_DAEMON)
        config.flush()
        flag = f"--config.file={config.name}"
        with running_daemon(flag, ready=False, command=SHIPPED_COMMAND) as daemon:
            daemon.process.send_signal(signal.SIGSTOP)
            for size in sorted(sizes):
                found = load.grow("tcp", size)
                costs = measure_costs(probes, load, effort)
                parts = measure_costs(observers, load, effort)
                load.keep()
                daemon.process.send_signal(signal.SIGCONT)
                answers = measure_answers(daemon, effort)
                daemon.process.send_signal(signal.SIGSTOP)
                load.keep()
                start = measure_start() if size == max(sizes) else None
                yield Stage(TCP, size, found, costs, answers=answers, start=start, parts=parts)


def measure_share(size: int, share: float, effort: Effort) -> Iterator[Stage]:
    """Measure all that lists TCP sockets, another share of them in CLOSE_WAIT."""
    with _private_load(share) as load, _opened(tcp_contenders()) as probes:
        found = load.grow("tcp", size)
        yield Stage(TCP, size, found, measure_costs(probes, load, effort), share)


def measure_udp(size: int, effort: Effort) -> Iterator[Stage]:
    """Measure those that list UDP sockets."""
    with _private_load() as load, _opened(udp_contenders()) as probes:
        found = load.grow("udp", size)
        yield Stage(UDP, size, found, measure_costs(probes, load, effort), share=0.0)


def measure_ports(size: int, effort: Effort) -> Iterator[Stage]:
    """Measure our pass over UDP sockets that are connected to few remote ports, and each to another."""
    for ports in (FEW_PORTS, size):
        with _private_load(ports=ports) as load, _opened(port_contenders()) as probes:
            found = load.grow("udp", size)
            costs = measure_costs(probes, load, effort)
            yield Stage(PORTS, size, found, costs, share=0.0, ports=ports)


def measure_collectors(listeners: int, processes: int, effort: Effort) -> Iterator[Stage]:
    """Measure what single collectors cost, with as much as they are made for.

    That of listeners is a small difference of two short passes, so it takes five times as many rounds. Open
    files do not: once all processes have been looked at, passes have nothing to look at for a while.
    """
    for kind, size, crowd, rounds in (
        (LISTENERS, listeners, listening(listeners), _TIMES_THE_ROUNDS * effort.rounds),
        (OPEN_FILES, processes, sleeping(processes), effort.rounds),
    ):
        with _private_load() as load, crowd, _opened(collector_contenders(kind)) as probes:
            costs = measure_costs(probes, load, effort._replace(rounds=rounds))
            yield Stage(kind, size, f"{size:,}", costs, share=0.0)


def measure_close_events(number: int, effort: Effort) -> Iterator[Stage]:
    """Measure what it costs to read the events of closed connections."""
    with _private_load() as load, _opened(event_contenders(number)) as probes:
        yield Stage(CLOSE_EVENTS, number, f"{number:,}", measure_costs(probes, load, effort), share=0.0)


def measure_costs(probes: Probes, load: Load, effort: Effort) -> dict[str, Cost]:
    """Let all take turns, so that what disturbs the machine disturbs all of them."""
    samples: dict[str, list[float]] = {contender.name: [] for contender in probes}
    seconds: dict[str, list[float]] = {contender.name: [] for contender in probes}
    peaks_mb: dict[str, float] = {}
    _warm_up(probes, load, effort)
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


def _warm_up(probes: Probes, load: Load, effort: Effort) -> None:
    """Let our passes search for owners, a little in each of the first, until they are known."""
    for contender, probe in probes.items():
        if isinstance(probe, str) or contender.name not in (SHIPPED, SHIPPED_PROCFS):
            continue
        deadline = time.monotonic() + effort.limit_seconds / 2
        for _ in range(2 * effort.rounds):
            load.keep()
            probe.sample(PATIENCE_SECONDS)
            if time.monotonic() > deadline:
                break


def measure_answers(daemon: Daemon, effort: Effort) -> Answers:
    """Talk to the daemon for a while, and look at its memory then."""
    milliseconds = request_milliseconds(daemon.port, effort.asking_seconds)
    return Answers(milliseconds, memory_mb(daemon.process.pid, "VmRSS"))


def measure_start() -> Start:
    """Start a daemon at the default settings, and wait for its second pass."""
    started = time.monotonic()
    with running_daemon(command=SHIPPED_COMMAND) as daemon:
        first_snapshot_seconds = time.monotonic() - started
        wait_until(lambda: _read(daemon, "netstat_exporter_passes_total") > 1)
        return Start(first_snapshot_seconds, _read(daemon, "netstat_exporter_pass_interval_seconds"))


def _read(daemon: Daemon, metric: str) -> float:
    """Return the sum of all samples of a metric."""
    return sum(value for (name, _), value in daemon.samples().items() if name == metric)


@contextmanager
def _private_load(close_wait_share: float = 0, ports: int = 0) -> Iterator[Load]:
    with (
        private_namespace() as namespace,
        inside(namespace.path),
        growing_load(close_wait_share, ports) as load,
    ):
        yield load


@contextmanager
def _opened(found: Iterable[Contender]) -> Iterator[Probes]:
    with ExitStack() as stack:
        yield {
            each: stack.enter_context(each.open()) if each.installed() else "not installed" for each in found
        }
