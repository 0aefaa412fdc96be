"""Of each owner the process with the least room is found, whatever happens to processes meanwhile."""

import math
from pathlib import Path
from typing import NamedTuple

import pytest

from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.sampling.reading.namespace_finder import FoundNamespace
from exporter.sampling.services.open_files import (
    PROCESSES_AT_ONCE,
    FileUsage,
    FileUsages,
    Limits,
    NamespaceFiles,
)
from tests.support.procfs_tree import ProcfsTree

LIMITS = Limits(owners=50, seconds=30.0, round_seconds=15.0)
ROUND = LIMITS.round_seconds
LINES = "Limit                     Soft Limit           Hard Limit           Units     \n"
SHOP, WEB = "/system.slice/shop.service", "/system.slice/web.service"


class Process(NamedTuple):
    """What procfs says of a process."""

    open: int
    limit: int | str = 1024
    cgroup: str = SHOP
    program: bytes = b"shop"


class Processes(Procfs):
    """A procfs with processes of a test's own, which counts those that were looked at."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(ProcfsTree(root / "proc").root))
        self.tree = root / "cgroup"
        self.processes: dict[int, Process] = {}
        self.looked_at: list[int] = []

    def list_processes(self) -> list[int]:
        """Return their numbers."""
        return sorted(self.processes)

    def count_files(self, pid: int) -> int:
        """Return what one has open."""
        self.looked_at.append(pid)
        return self.processes[pid].open if pid in self.processes else 0

    def read_process(self, process: str, name: str) -> bytes | None:
        """Return a file of one."""
        if process == "self":
            return b"30 23 0:26 / %b rw - cgroup2 cgroup2 rw\n" % bytes(self.tree)
        if int(process) not in self.processes:
            raise ProcfsError("gone")
        found = self.processes[int(process)]
        limits = (
            f"{LINES}Max processes 7 7 processes\nMax open files    {found.limit}   4096     files     \n"
        )
        texts = {"cgroup": f"3:cpu:/old\n0::{found.cgroup}\n".encode(), "limits": limits.encode()}
        return (texts | {"comm": found.program + b"\n"})[name]

    def find_namespace(self, pid: int) -> int | None:
        """Return where one is: those of SHOP are in 7."""
        return 7 if self.processes[pid].cgroup == SHOP else 8

    def make(self, *cgroups: str) -> set[int]:
        """Make cgroups, and return their ids."""
        for path in cgroups:
            (self.tree / path.strip("/")).mkdir(parents=True, exist_ok=True)
        return {(self.tree / path.strip("/")).stat().st_ino for path in cgroups}


@pytest.fixture
def procfs(tmp_path: Path) -> Processes:
    """Lay out a procfs without processes, and the cgroup of a shop."""
    processes = Processes(tmp_path)
    processes.make(SHOP, WEB)
    return processes


@pytest.fixture
def shop(procfs: Processes) -> set[int]:
    """Return the shop's cgroup."""
    return procfs.make(SHOP)


def test_the_process_with_the_least_room_counts(procfs: Processes, shop: set[int]) -> None:
    """In the shares of their own limits, and of the wanted cgroups only."""
    procfs.processes = {
        1: Process(900, 100_000),
        2: Process(200, 256),
        3: Process(700),
        4: Process(1000, cgroup=WEB),
        5: Process(1000, cgroup="/system.slice/gone.service"),
        6: Process(1000, cgroup="/../../outside.service"),
    }
    usages = FileUsages()
    assert {"shop.service": FileUsage(200, 256)} == usages.update(procfs, shop, LIMITS, 0)
    both = procfs.make(SHOP, WEB)
    expected = {"shop.service": FileUsage(200, 256), "web.service": FileUsage(1000, 1024)}
    assert expected == usages.update(procfs, both, LIMITS, ROUND)
    assert {} == usages.update(procfs, set(), LIMITS, 2 * ROUND)


@pytest.mark.parametrize(
    ("process", "why"),
    [
        (Process(0), "a kernel thread, or a kernel before 6.2"),
        (Process(10, 0), "sshd's sandbox"),
        (Process(10, 10), "a sandbox that has opened all it needs"),
        (Process(300, 256), "the limit was lowered"),
        (Process(10, "nonsense"), "no limit is said"),
        (Process(90, cgroup="/"), "the root of the tree is nobody's, and it uses little"),
    ],
)
def test_what_cannot_run_out_is_left_out(procfs: Processes, process: Process, why: str) -> None:
    """There is no value then, not 0."""
    procfs.processes = {1: process}
    assert {} == FileUsages().update(procfs, procfs.make(SHOP, "/"), LIMITS, 0), why


def test_unlimited(procfs: Processes, shop: set[int]) -> None:
    procfs.processes = {1: Process(10, "unlimited")}
    assert {"shop.service": FileUsage(10, math.inf)} == FileUsages().update(procfs, shop, LIMITS, 0)


def test_program_in_the_root_of_the_tree(procfs: Processes) -> None:
    procfs.processes = {1: Process(103, cgroup="/", program=b"sh\xff\nop")}
    found = FileUsages().update(procfs, procfs.make("/"), LIMITS, 0)
    assert {"sh\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}op": FileUsage(103, 1024)} == found


def test_fullest_is_looked_at_in_every_pass(procfs: Processes, shop: set[int]) -> None:
    """When it is gone, or its number is another's, the next one is there at once."""
    procfs.processes = {pid: Process(100 + pid) for pid in range(1, 10)}
    usages = FileUsages()

    def find(now: float) -> int | None:
        found = usages.update(procfs, shop, LIMITS, now).get("shop.service")
        return found and found.open

    assert find(0) == 109
    procfs.processes[9] = Process(500)
    assert find(1) == 500
    del procfs.processes[9]
    assert find(2) == 108
    procfs.processes[8] = Process(900, cgroup=WEB)
    assert find(3) == 107
    procfs.processes.clear()
    assert find(4) is None
    procfs.processes[20] = Process(64)
    assert find(5) is None
    assert find(ROUND) == 64


def test_only_what_was_just_seen_is_shown(procfs: Processes, shop: set[int]) -> None:
    """When all processes have closed files, none is shown with the number that it had in the last round."""
    procfs.processes = {1: Process(900), 2: Process(800), 3: Process(700)}
    usages = FileUsages()
    usages.update(procfs, shop, LIMITS, 0)
    procfs.processes = {1: Process(100), 2: Process(90), 3: Process(750)}
    assert {"shop.service": FileUsage(750, 1024)} == usages.update(procfs, shop, LIMITS, 1)
    procfs.processes[3] = Process(80)
    procfs.looked_at.clear()
    assert {"shop.service": FileUsage(100, 1024)} == usages.update(procfs, shop, LIMITS, 2)
    assert procfs.looked_at == [3, 1]


def test_the_next_one_is_known_while_a_round_lasts(procfs: Processes, shop: set[int]) -> None:
    """A round takes many passes where there are many processes."""
    procfs.processes = {1: Process(900), 2: Process(7), 3: Process(7), 4: Process(7), 5: Process(800)}
    usages = FileUsages()
    usages.update(procfs, shop, LIMITS, 0)
    at_once = LIMITS._replace(seconds=0)
    usages.update(procfs, shop, at_once, ROUND)
    del procfs.processes[1]
    assert {"shop.service": FileUsage(800, 1024)} == usages.update(procfs, shop, at_once, ROUND)


def test_what_is_gone_gives_way_to_others(procfs: Processes, shop: set[int]) -> None:
    """Also a process that was not the fullest, and so is not looked at in every pass."""
    procfs.processes = {1: Process(900), 2: Process(800), 3: Process(700), 4: Process(100)}
    usages = FileUsages()
    usages.update(procfs, shop, LIMITS, 0)
    del procfs.processes[2], procfs.processes[3]
    for number in range(1, 5):
        usages.update(procfs, shop, LIMITS, number * ROUND)
    del procfs.processes[1]
    assert {"shop.service": FileUsage(100, 1024)} == usages.update(procfs, shop, LIMITS, 4 * ROUND)


def test_unit_that_was_restarted_is_shown(procfs: Processes, shop: set[int]) -> None:
    """Its cgroup has another id."""
    procfs.processes = {1: Process(900)}
    usages = FileUsages()
    usages.update(procfs, shop, LIMITS, 0)
    (procfs.tree / SHOP.strip("/")).rename(procfs.tree / "old")
    started = procfs.make(SHOP)
    assert started != shop
    assert {"shop.service": FileUsage(900, 1024)} == usages.update(procfs, started, LIMITS, ROUND)


def test_growth_of_any_process_is_found_in_the_next_round(procfs: Processes, shop: set[int]) -> None:
    procfs.processes = {pid: Process(100 + pid) for pid in range(1, 10)}
    usages = FileUsages()
    usages.update(procfs, shop, LIMITS, 0)
    procfs.processes[1] = Process(1000)
    assert usages.update(procfs, shop, LIMITS, ROUND)["shop.service"].open == 1000


def test_many_processes_are_spread_over_passes(procfs: Processes, shop: set[int]) -> None:
    """Of 10,000 only as many are looked at as the time lasts, and all of them in the end."""
    procfs.processes = {pid: Process(100) for pid in range(1, 10_001)}
    procfs.processes[10_000] = Process(900)
    usages, passes = FileUsages(), 0
    limits = LIMITS._replace(seconds=0.005)
    while usages.cgroups is None:
        found = usages.update(procfs, shop, limits, 0)
        passes += 1
        assert passes < 10_000
    assert passes > 10
    assert found["shop.service"].open == 900
    assert usages.cgroups == shop
    assert set(procfs.looked_at) == set(procfs.processes)


def test_fullest_owners_are_kept(procfs: Processes) -> None:
    """Each of 300 units has a process: only so many are remembered as are shown."""
    cgroups = [f"/system.slice/unit{number}.service" for number in range(300)]
    wanted = procfs.make(*cgroups)
    procfs.processes = {100 + n: Process(100 + n, cgroup=cgroup) for n, cgroup in enumerate(cgroups)}
    found = FileUsages().update(procfs, wanted, LIMITS, 0)
    assert [usage.open for usage in found.values()] == [*range(399, 349, -1)]


def test_time_is_left_for_the_round(procfs: Processes) -> None:
    """However many owners are looked at again: no pass is without progress."""
    cgroups = [f"/system.slice/unit{number}.service" for number in range(50)]
    wanted = procfs.make(*cgroups)
    procfs.processes = {100 + n: Process(100 + n, cgroup=cgroup) for n, cgroup in enumerate(cgroups)}
    usages = FileUsages()
    usages.update(procfs, wanted, LIMITS, 0)
    for _ in range(50):
        procfs.looked_at.clear()
        usages.update(procfs, wanted, LIMITS._replace(seconds=0), ROUND)
        assert len(procfs.looked_at) == 2
    assert usages.update(procfs, wanted, LIMITS._replace(seconds=0), ROUND)


def test_of_many_processes_of_a_namespace_some_are_looked_at(procfs: Processes) -> None:
    """The fullest is found when all have been looked at, and from then on it is looked at each time."""
    procfs.processes = {pid: Process(pid, 1000) for pid in range(1, 101)}
    found = FoundNamespace(1, 7, list(procfs.processes))
    files = NamespaceFiles()
    opened = []
    for _ in range(5):
        procfs.looked_at.clear()
        usage = files.update(procfs, found)
        assert usage is not None
        opened.append(usage.open)
        assert len(procfs.looked_at) <= PROCESSES_AT_ONCE + 3
    assert [32, 64, 96, 100, 100] == opened
    procfs.processes[100] = Process(500, 1000)
    assert files.update(procfs, found) == FileUsage(500, 1000)


def test_processes_of_a_namespace_that_do_not_count(procfs: Processes) -> None:
    """Those that are gone, have left it, hide their files, or have lowered their limit."""
    procfs.processes = {
        1: Process(10),
        2: Process(900, cgroup=WEB),
        3: Process(0),
        4: Process(5, 4),
        5: Process(3, 8),
        6: Process(20, "unlimited"),
    }
    files = NamespaceFiles()
    assert files.update(procfs, FoundNamespace(1, 7, [1, 2, 3, 4, 5, 6, 7])) == FileUsage(10, 1024)
    del procfs.processes[1]
    found = FoundNamespace(1, 7, [2, 3, 4, 5, 6])
    assert files.update(procfs, found) == FileUsage(20, math.inf)
    del procfs.processes[6]
    assert files.update(procfs, found) is None
