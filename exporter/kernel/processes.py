"""Find the processes that hold sockets, by the inodes of the sockets; and how many files a process may open.

Whose files can be seen is a matter of rights: those of other users take CAP_SYS_PTRACE and
CAP_DAC_READ_SEARCH. A process that ends during the walk, or whose number is given to another, holds nothing.
Of the holders nothing is read that lies in a process's memory, such as its arguments: where its threads wait
for the lock on that, so would we.

Any user can read how many files a process has open, and its limit.

Source: proc_pid_fd(5), proc_pid_cgroup(5), proc_pid_comm(5), proc_pid_limits(5), proc_pid_stat(5).
"""

import math
import re
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from exporter.kernel.cgroups import parse_membership
from exporter.kernel.procfs import Procfs, ProcfsError

_OPEN_FILES: Final = re.compile(rb"^Max open files +([0-9]+|unlimited) ", re.MULTILINE)
_PARENT: Final = 1  # fields of stat, counted from the one behind the program
_START: Final = 19


class Holder(NamedTuple):
    """The name of a process's program, of at most 15 arbitrary bytes, and the path of its cgroup."""

    program: bytes
    cgroup: bytes


def read_start(procfs: Procfs, pid: int) -> int:
    """Return when a process started, in clock ticks since boot; 0 where it is gone or hidden from us."""
    fields = _read_stat(procfs, pid)
    return int(fields[_START]) if len(fields) > _START else 0


def read_parent(procfs: Procfs, pid: int) -> int:
    """Return the number of a process's parent; 0 where it has none, is gone or hidden from us."""
    fields = _read_stat(procfs, pid)
    return int(fields[_PARENT]) if len(fields) > _PARENT else 0


def _read_stat(procfs: Procfs, pid: int) -> list[bytes]:
    """Return the fields of a process's stat behind the name of its program, which may be anything."""
    try:
        return (procfs.read_process(str(pid), "stat") or b"").rpartition(b")")[2].split()
    except ProcfsError:
        return []


def walk_holders(procfs: Procfs, wanted: Collection[int]) -> Iterator[tuple[int, Holder] | None]:
    """Yield inode and holder of the sockets that are wanted; None after every other file and process.

    Of several processes that hold a socket it is the one with the lowest number, most often the parent.
    """
    import psutil  # noqa: PLC0415 - half a megabyte, for which many hosts have no use

    psutil.PROCFS_PATH = procfs.root
    for pid in procfs.list_processes():
        yield None
        try:
            process = psutil.Process(pid)
            held = []
            for inode in procfs.iterate_sockets(pid):
                if inode is not None and inode in wanted:
                    held.append(inode)
                yield None
            if not held:
                continue
            program = procfs.read_process(str(pid), "comm") or b""
            cgroup = parse_membership(procfs.read_process(str(pid), "cgroup") or b"")
            if not process.is_running():  # it is gone, or the number another's by now
                continue
        except (psutil.Error, ProcfsError):
            continue
        holder = Holder(program.removesuffix(b"\n"), cgroup)
        yield from ((inode, holder) for inode in held)


def parse_file_limit(text: bytes) -> float | None:
    """Return how many files a process may open, its soft limit; infinity for no limit, None if not said."""
    found = _OPEN_FILES.search(text)
    if found is None:
        return None
    return math.inf if found[1] == b"unlimited" else int(found[1])
