"""Find the paths of cgroups by the ids that sockets carry, and those of processes.

An id is the inode number of the cgroup's directory in the file system cgroup2, which on a host that still has
the old hierarchies is mounted below them. Ids are never given twice, so a cgroup that has gone does not come
back.

Source: Documentation/admin-guide/cgroup-v2.rst, proc_pid_mountinfo(5), cgroups(7).
"""

import os
import re
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Final

from exporter.kernel.procfs import Procfs, ProcfsError

ROOT: Final = b"/"
MOST_CGROUPS: Final = 20_000

_ESCAPED: Final = re.compile(rb"\\([0-7]{3})")
_MOUNT: Final = re.compile(rb"^\S+ \S+ \S+ (\S+) (\S+) (?:\S+ )*?- cgroup2 ", re.MULTILINE)
_MEMBERSHIP: Final = re.compile(rb"^(?:0:|[0-9]+:name=systemd):(/.*)$", re.MULTILINE)


def walk_cgroups(procfs: Procfs, wanted: Collection[int]) -> Iterator[tuple[int, bytes] | None]:
    """Yield id and path of the cgroups that are wanted, those near the root first; None for every other.

    Paths are below the root of the tree. Nothing is yielded where there is no tree to be seen.
    """
    mount = None
    with suppress(ProcfsError):
        mount = find_mount(procfs.read_process("self", "mountinfo") or b"")
    if mount is None:
        return
    with suppress(OSError):
        yield os.stat(mount).st_ino, ROOT
    waiting = deque([b""])
    walked = 0
    while waiting and walked < MOST_CGROUPS:
        parent = waiting.popleft()
        with suppress(OSError), os.scandir(mount + parent) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    path = parent + b"/" + entry.name
                    waiting.append(path)
                    walked += 1
                    yield (entry.inode(), path) if entry.inode() in wanted else None


def find_mount(mountinfo: bytes) -> bytes | None:
    """Return where the tree of cgroup2 is mounted, the whole of it rather than a branch."""
    mounts = _MOUNT.findall(mountinfo)
    if not mounts:
        return None
    _, place = min(mounts, key=lambda mount: (mount[0] != ROOT, len(mount[0]), len(mount[1])))
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), place)


def parse_membership(text: bytes) -> bytes:
    """Return the path of a process's cgroup in the tree, or in systemd's own where that is the old one."""
    paths = _MEMBERSHIP.findall(text)
    return next((path for path in reversed(paths) if path != ROOT), ROOT)
