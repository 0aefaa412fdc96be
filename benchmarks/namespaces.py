"""Measure what other network namespaces cost: passes over many of them, beside reading all their tables."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import IO, Final, NamedTuple

from benchmarks.farm import PROGRAM
from exporter.config.settings import Namespaces, Settings
from exporter.kernel.procfs import Procfs
from exporter.sampling.sampler import Sampler
from exporter.sampling.services.names import name_ports
from exporter.sampling.snapshot import Snapshot
from tests.support.daemon import ROOT

SIZES: Final = ((0, 0), (1, 0), (10, 0), (100, 0), (206, 0), (500, 0), (100, 9000))
"""How many namespaces there are, and how many sockets the first of them has, if it is another number."""

SOCKETS: Final = 5
CHANGING: Final = 10
_MOST_PASSES: Final = 300


class NamespaceCost(NamedTuple):
    """CPU milliseconds at one size, as medians; ``passes`` are those until each namespace was read."""

    namespaces: int
    largest: int
    first: float
    passes: int
    idle: float
    changing: float
    naive: float
    kilobytes: float


class Farm:
    """Running namespaces; ``change`` lets something happen in some of them."""

    def __init__(self, orders: IO[str], answers: IO[str]) -> None:
        self._orders, self._answers = orders, answers

    def change(self, namespaces: int) -> None:
        """Open or close a connection in so many of them."""
        self._orders.write(f"{namespaces}\n")
        self._orders.flush()
        self._answers.readline()


@contextmanager
def running_farm(namespaces: int, first: int) -> Iterator[Farm]:
    """Run namespaces."""
    command = [sys.executable, "-m", "benchmarks.farm", str(namespaces), str(SOCKETS), str(first)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        if process.stdin is None or process.stdout is None or process.stdout.readline() != "ready\n":
            raise OSError("the namespaces could not be made")
        yield Farm(process.stdin, process.stdout)


def measure_namespaces(most: int, rounds: int) -> Iterator[NamespaceCost]:
    """Yield the cost at each size up to so many namespaces."""
    for namespaces, first in SIZES:
        if namespaces > most:
            continue
        with running_farm(namespaces, first) as farm:
            yield measure_one(farm, namespaces, first, rounds)


def measure_one(farm: Farm, namespaces: int, first: int, rounds: int) -> NamespaceCost:
    """Take passes over a farm, with the default settings; other namespaces of the machine are left out."""
    settings = replace(Settings(), namespaces=Namespaces(include=(f"process:{PROGRAM}*",)))
    names = name_ports({}, b"")
    sampler = Sampler(Procfs(), replace(settings, namespaces=Namespaces(enabled=False)), names)
    sampler.take_snapshot()
    before = _resident_kilobytes()
    sampler.change_settings(settings, names)
    newest, passes = sampler.take_snapshot(), 1  # as in the daemon, one snapshot is kept
    first_seconds = newest.cpu_seconds
    while _count_read(newest) < namespaces and passes < _MOST_PASSES:
        newest, passes = sampler.take_snapshot(), passes + 1
    grown = _resident_kilobytes() - before
    idle = [sampler.take_snapshot().cpu_seconds for _ in range(rounds)]
    changing = []
    for _ in range(rounds):
        farm.change(min(CHANGING, namespaces))
        changing.append(sampler.take_snapshot().cpu_seconds)
    naive = [_read_all(settings.tables) for _ in range(3)]
    return NamespaceCost(
        namespaces,
        first or SOCKETS,
        first_seconds * 1000,
        passes,
        statistics.median(idle) * 1000,
        statistics.median(changing) * 1000,
        statistics.median(naive) * 1000,
        grown / namespaces if namespaces else 0.0,
    )


def write_rows(costs: Sequence[NamespaceCost]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each size."""
    for cost in costs:
        largest = f", one of {cost.largest:,}" if cost.largest > SOCKETS else ""
        yield (
            f"{cost.namespaces} of {SOCKETS} sockets{largest}",
            f"{cost.first:.1f}",
            str(cost.passes),
            f"{cost.idle:.1f}",
            f"{cost.changing:.1f}",
            f"{cost.naive:.0f}",
            f"{cost.kilobytes:.0f}" if cost.namespaces else "-",
        )


HEADINGS: Final = (
    "namespaces",
    "first pass",
    "passes until all are read",
    "pass, nothing changes",
    f"pass, {CHANGING} change",
    "all tables read",
    "kB each",
)


def _count_read(snapshot: Snapshot) -> int:
    return len([each for each in snapshot.namespaces if each.samples])


def _read_all(tables: Sequence[str]) -> float:
    """Return the CPU seconds of reading all tables of all namespaces, as an exporter without state would."""
    procfs = Procfs()
    farm = [
        pid
        for pid in procfs.list_processes()
        if (procfs.read_process(str(pid), "comm") or b"").startswith(PROGRAM.encode())
    ]
    started = time.thread_time()
    for pid in farm:
        for table in tables:
            with (
                suppress(FileNotFoundError),  # of another farm, which has ended
                open(f"/proc/{pid}/net/{table}", "rb") as file,
            ):
                file.read()
    return time.thread_time() - started


def _resident_kilobytes() -> float:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024
