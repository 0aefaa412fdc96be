"""Find the paths of cgroups by the ids that sockets carry, and those of processes.

An id is the inode number of the cgroup's directory in the file system cgroup2, which on a host that still has
the old hierarchies is mounted below them. Ids are never given twice, so a cgroup that has gone does not come
back.

Users and units with Delegate= can make as many cgroups as they like. Nobody's cgroups keep those of others
from being found: the work is shared fairly between the branches of the tree, at every level. Of several
branches the one goes on for which the least was done so far. One directory, and the whole walk, end after a
fixed number of cgroups, so that time and memory are bounded.

Source: Documentation/admin-guide/cgroup-v2.rst, proc_pid_mountinfo(5), cgroups(7).
"""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count, islice, pairwise
from typing import Final

from exporter.kernel.mounts import unescape_place
from exporter.kernel.procfs import Procfs, ProcfsError

ROOT: Final = b"/"
MAX_CGROUPS: Final = 30_000
MAX_CHILDREN: Final = 10_000  # that are seen of one cgroup
DEEPEST: Final = 32  # a container in a container in a pod has a dozen levels

_LINKS_OF_A_LEAF: Final = 2  # a directory has a link for each directory in it, and two more (kernfs, ext4)
_MOUNT: Final = re.compile(rb"^\S+ \S+ \S+ (\S+) (\S+) (?:\S+ )*?- cgroup2 ", re.MULTILINE)
_UNIFIED: Final = re.compile(rb"^0::(/.*)$", re.MULTILINE)
_MEMBERSHIP: Final = re.compile(rb"^(?:0:|[0-9]+:name=(?:systemd|openrc)):(/.*)$", re.MULTILINE)


@dataclass(slots=True)
class _Branch:
    """A cgroup that has others below it; ``waiting`` is a heap, None as long as they were not listed."""

    name: bytes
    cost: int  # cgroups that its next step is expected to see
    spent: int = 0
    waiting: "list[tuple[int, int, _Branch]] | None" = None


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
    root, ages, walked = _Branch(b"", 0), count(), 0
    while root.waiting != [] and walked < MAX_CGROUPS:
        trail = _choose_next(root)
        branch, path = trail[-1], b"/".join(step.name for step in trail)
        branch.waiting = []
        seen = 0
        with suppress(OSError), os.scandir(mount + (path or ROOT)) as entries:
            for entry in islice(filter(_is_directory, entries), MAX_CHILDREN):
                seen += 1
                links = _count_links(entry)
                if links != _LINKS_OF_A_LEAF and len(trail) < DEEPEST:
                    child = _Branch(entry.name, max(links - _LINKS_OF_A_LEAF, 0))
                    heappush(branch.waiting, (child.cost, next(ages), child))
                yield (entry.inode(), path + b"/" + entry.name) if entry.inode() in wanted else None
        if not seen:
            yield None
        walked += seen
        _account(trail, seen, ages)


def _choose_next(root: _Branch) -> list[_Branch]:
    """Take the branch out that is to be listed next; return it with those that it lies in, the root first."""
    trail = [root]
    while trail[-1].waiting:
        trail.append(heappop(trail[-1].waiting)[-1])
    return trail


def _account(trail: list[_Branch], seen: int, ages: Iterator[int]) -> None:
    """Put what was taken out back to where it waits, as far as there is more to list."""
    for parent, branch in reversed([*pairwise(trail)]):
        branch.spent += seen
        if branch.waiting and parent.waiting is not None:
            branch.cost = branch.waiting[0][-1].cost
            heappush(parent.waiting, (branch.spent + branch.cost, next(ages), branch))


def _is_directory(entry: os.DirEntry[bytes]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _count_links(entry: os.DirEntry[bytes]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_nlink
    except OSError:  # it has gone since
        return _LINKS_OF_A_LEAF


def find_mount(mountinfo: bytes) -> bytes | None:
    """Return where the tree of cgroup2 is mounted, the whole of it rather than a branch."""
    mounts = _MOUNT.findall(mountinfo)
    if not mounts:
        return None
    _, place = min(mounts, key=_rank)
    return unescape_place(place)


def _rank(mount: tuple[bytes, bytes]) -> tuple[int, int, int]:
    """Return a key by which the mount comes first that shows most of the tree.

    In a cgroup namespace the host's whole tree has the root ``/../..``, and the namespace's own branch ``/``.
    """
    root, place = mount
    above = root.count(b"/..") if root.replace(b"/..", b"") == b"" else 0
    return (-above, 0 if above or root == ROOT else len(root), len(place))


def parse_unified(text: bytes) -> bytes | None:
    """Return the path of a process's cgroup in cgroup2's tree, which is that of its sockets; None without.

    What is above the root of a cgroup namespace, ``/..``, is left out.
    """
    found = _UNIFIED.search(text)
    if found is None or b"/.." not in found[1]:
        return found and found[1]
    return b"/" + b"/".join(part for part in found[1].split(b"/") if part not in {b"", b".."})


def read_cgroup_id(mount: bytes, path: bytes) -> int:
    """Return the id of a cgroup by its path, 0 where there is none."""
    try:
        return os.stat(mount + path).st_ino
    except OSError:
        return 0


def parse_membership(text: bytes) -> bytes:
    """Return the path of a process's cgroup in systemd's or OpenRC's own tree, else that in cgroup2's.

    Hosts that have both: systemd puts its units in both at the same place, but engines for containers move
    their processes in the old trees only, and leave them in the engine's own unit in cgroup2's.
    """
    paths = _MEMBERSHIP.findall(text)
    return next((path for path in paths if path != ROOT), ROOT)
