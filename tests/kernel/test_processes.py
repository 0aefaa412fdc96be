"""A holder is the process that has the socket open before and after it was looked at, and no other."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import socket
from typing import NamedTuple

import pytest

from exporter.kernel.processes import Holder, walk_holders
from exporter.kernel.procfs import Procfs
from tests.support.procfs_tree import ProcfsTree

SOCKET = 4711


class Printed(NamedTuple):
    """What procfs says of a process."""

    program: bytes = b"shop"
    started: int = 100
    state: str = "S"
    cgroup: str = "0::/system.slice/shop.service\n"
    files: tuple[str, ...] = (f"socket:[{SOCKET}]",)


class Processes(Procfs):
    """A procfs in which something may happen to a process while its files are read."""

    def __init__(self, root: Path, happens: Callable[[], None] = lambda: None) -> None:
        super().__init__(str(root))
        self._happens = happens

    def iterate_sockets(self, pid: int) -> Iterator[int | None]:
        """Yield its sockets, and then let it happen."""
        yield from super().iterate_sockets(pid)
        self._happens()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Lay out a procfs."""
    return ProcfsTree(tmp_path).root


def write_stat(root: Path, pid: int, printed: Printed) -> None:
    """Write what proc_pid_stat(5) has; the start time is its 22nd field."""
    fields = f") {printed.state} {' '.join(['0'] * 18)} {printed.started} {' '.join(['0'] * 30)}\n"
    (root / str(pid) / "stat").write_bytes(b"%d (%b" % (pid, printed.program) + fields.encode())


def add(root: Path, pid: int, printed: Printed) -> None:
    """Add a process."""
    folder = root / str(pid)
    (folder / "fd").mkdir(parents=True)
    write_stat(root, pid, printed)
    (folder / "cgroup").write_text(printed.cgroup)
    (folder / "comm").write_bytes(printed.program + b"\n")
    for number, target in enumerate(printed.files):
        (folder / "fd" / str(number)).symlink_to(target)


def holders(procfs: Procfs, *wanted: int) -> dict[int, Holder]:
    """Return who was found first to hold these sockets."""
    searched, found = set(wanted), {}
    for inode, holder in filter(None, walk_holders(procfs, searched)):
        found[inode] = holder
        searched.discard(inode)
    return found


def test_holder_is_told_by_program_and_cgroup(root: Path) -> None:
    add(root, 1, Printed(b"init", files=()))
    add(root, 30, Printed(files=("/dev/null", "socket:[1]", f"socket:[{SOCKET}]", "pipe:[4711]")))
    add(root, 200, Printed(b"child"))
    shop = Holder(b"shop", b"/system.slice/shop.service")
    assert {SOCKET: shop} == holders(Processes(root), SOCKET)
    assert {1: shop, SOCKET: shop} == holders(Processes(root), 1, SOCKET)
    assert {} == holders(Processes(root), 2)


@pytest.mark.parametrize("program", [b"a) R 1 (b", b") ", b"sh op", b"x\ny\n", b"\xff", b""])
def test_odd_names_are_kept(root: Path, program: bytes) -> None:
    add(root, 30, Printed(program))
    assert program == holders(Processes(root), SOCKET)[SOCKET].program


def test_memory_of_a_process_is_not_looked_at(root: Path) -> None:
    """Its arguments would have the rest of a name that is as long as names can be; it is not told."""
    add(root, 30, Printed(b"prometheus-node"))
    (root / "30" / "cmdline").write_bytes(b"/usr/bin/prometheus-node-exporter\0")
    assert b"prometheus-node" == holders(Processes(root), SOCKET)[SOCKET].program


def test_number_given_to_another_process_is_no_holder(root: Path) -> None:
    add(root, 30, Printed(started=100))
    procfs = Processes(root, lambda: write_stat(root, 30, Printed(b"other", started=101)))
    assert {} == holders(procfs, SOCKET)


@pytest.mark.parametrize("gone", ["stat", "cgroup"])
def test_process_that_ends_meanwhile_is_passed_over(root: Path, gone: str) -> None:
    """A cgroup that cannot be read any more is the root's; the start time decides."""
    add(root, 30, Printed())
    procfs = Processes(root, (root / "30" / gone).unlink)
    expected = {SOCKET: Holder(b"shop", b"/")} if gone == "cgroup" else {}
    assert expected == holders(procfs, SOCKET)


def test_others_are_found_behind_one_that_has_no_files_left(root: Path) -> None:
    """As a zombie has none."""
    add(root, 30, Printed(b"zombie", state="Z", files=()))
    add(root, 31, Printed(b"gone"))
    (root / "31" / "stat").unlink()
    add(root, 32, Printed(b"shop"))
    (root / "30" / "fd").rmdir()
    assert b"shop" == holders(Processes(root), SOCKET)[SOCKET].program


def test_walk_can_pause_after_every_file(root: Path) -> None:
    add(root, 30, Printed(files=("/dev/null",) * 1000))
    assert len(list(walk_holders(Processes(root), set()))) > 1000


def test_real_sockets_and_a_real_zombie() -> None:
    with socket() as held, subprocess.Popen([sys.executable, "-c", ""]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        inode = os.fstat(held.fileno()).st_ino
        found = holders(Procfs(), inode)
    assert Path("/proc/self/comm").read_bytes() == found[inode].program + b"\n"
