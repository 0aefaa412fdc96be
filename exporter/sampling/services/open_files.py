"""Find the processes of each owner that are nearest to their limit of open files.

It needs no privileges. A process leads to its cgroup, and the cgroup to its sockets, which carry its id. All
processes are looked at in rounds, some in each pass. The fullest of each owner is looked at in every pass.

In another network namespace sockets carry no id that we could read. But its processes are known, and all of
them count.

Left out are processes that cannot run out of files by a leak:

1. Those without an open file: kernel threads, and every process before Linux 6.2, which does not say.
2. Those with more open files than their limit, or with a limit below 64: sandboxes, such as those of sshd and
   chronyd, lower the limit after what they need is open.
3. Those in the root of the tree of cgroups, which are in no unit, while they use less than a tenth of their
   limit. They are named by their program, and it is not known which of them has the sockets of the root.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from heapq import nlargest
from time import monotonic
from typing import Final, NamedTuple

from exporter.kernel.cgroups import find_mount, parse_unified, read_cgroup_id
from exporter.kernel.processes import parse_file_limit
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.sampling.labels import label_value
from exporter.sampling.owner_names import name_owner
from exporter.sampling.reading.namespace_finder import FoundNamespace

_PROCESSES_KEPT: Final = 3
"""Of each owner: when one ends, as workers do, the next takes its place."""
_LOWEST_LIMIT: Final = 64
_LEAST_SHARE: Final = 0.1
PROCESSES_AT_ONCE: Final = 32
"""So many processes of another network namespace are looked at when it is read, 20 microseconds each."""


class FileUsage(NamedTuple):
    """How many files a process has open, and how many it may; infinity for no limit."""

    open: int
    limit: float

    @property
    def share(self) -> float:
        """The share of the limit that is in use."""
        return self.open / self.limit


class Limits(NamedTuple):
    """How many owners at most, how long an update may take, and from one round's beginning to the next's."""

    owners: int
    seconds: float
    round_seconds: float


class _Process(NamedTuple):
    """Who owns a process, by name and by the id of the cgroup, its files, and the round they were read in."""

    owner: str
    cgroup_id: int
    usage: FileUsage
    round: int


class FileUsages:
    """Remembers the fullest processes of each owner, by their numbers.

    ``cgroups`` are those of all processes in the last round, None before its end.
    """

    def __init__(self) -> None:
        self.cgroups: Collection[int] | None = None
        self._fullest: dict[str, dict[int, _Process]] = {}
        self._round = 0
        self._began = -math.inf
        self._waiting: Iterator[int] | None = None
        self._mount: bytes | None = None
        self._ids: dict[bytes, int] = {}

    def update(
        self, procfs: Procfs, wanted: Collection[int], limits: Limits, now: float
    ) -> Mapping[str, FileUsage]:
        """Return the usage of the fullest process of each owner whose cgroup is wanted.

        ``now`` is on the monotonic clock. Raises ProcfsError.
        """
        self._forget(wanted)
        started = monotonic()
        for owner in sorted(self._fullest, key=self._share_of, reverse=True):
            self._look_again(procfs, owner, wanted)
            if monotonic() > started + limits.seconds / 2:
                break
        if self._waiting is None and now - self._began >= limits.round_seconds:
            self._begin(procfs, now)
        self._go_on(procfs, wanted, started + limits.seconds)
        chosen = nlargest(limits.owners, self._fullest, key=self._share_of)
        self._fullest = {owner: self._fullest[owner] for owner in chosen}
        return {owner: self._usage_of(owner) for owner in chosen}

    def _go_on(self, procfs: Procfs, wanted: Collection[int], deadline: float) -> None:
        """Look at the next processes of the round."""
        for pid in self._waiting or ():
            self._look(procfs, pid, wanted)
            if monotonic() > deadline:
                return
        if self._waiting is not None:
            self._waiting = None
            self.cgroups = frozenset(self._ids.values())

    def _begin(self, procfs: Procfs, now: float) -> None:
        self._waiting = iter(procfs.list_processes())
        self._mount = find_mount(procfs.read_process("self", "mountinfo") or b"")
        self._ids.clear()
        self._round += 1
        self._began = now

    def _forget(self, wanted: Collection[int]) -> None:
        for owner, processes in [*self._fullest.items()]:
            for pid, process in [*processes.items()]:
                if process.cgroup_id not in wanted or process.round < self._round - 1:
                    del processes[pid]
            if not processes:
                del self._fullest[owner]

    def _look_again(self, procfs: Procfs, owner: str, wanted: Collection[int]) -> None:
        """Look at the fullest process of an owner, then at the next one if that is gone or now less full."""
        processes = self._fullest[owner]
        looked_at = set[int]()
        while processes:
            pid = max(processes, key=lambda pid: processes[pid].usage.share)
            if pid in looked_at:
                return
            process = self._read(procfs, pid, wanted)
            if process is not None and process.owner == owner:
                processes[pid] = process
                looked_at.add(pid)
            else:
                del processes[pid]
        del self._fullest[owner]

    def _look(self, procfs: Procfs, pid: int, wanted: Collection[int]) -> None:
        process = self._read(procfs, pid, wanted)
        if process is None:
            return
        processes = self._fullest.setdefault(process.owner, {})
        processes[pid] = process
        if len(processes) > _PROCESSES_KEPT:
            del processes[min(processes, key=lambda pid: processes[pid].usage.share)]

    def _read(self, procfs: Procfs, pid: int, wanted: Collection[int]) -> _Process | None:
        """Return a process whose cgroup is wanted, unless it is gone or left out."""
        opened = procfs.count_files(pid)
        if not opened or self._mount is None:
            return None
        process = str(pid)
        try:
            path = parse_unified(procfs.read_process(process, "cgroup") or b"")
            if path is None or (cgroup_id := self._identify(path)) not in wanted:
                return None
            usage = _read_usage(procfs, pid, opened)
            if usage is None:
                return None
            owner = name_owner(path)
            if owner is None and usage.share >= _LEAST_SHARE:
                owner = label_value((procfs.read_process(process, "comm") or b"").removesuffix(b"\n"))
        except ProcfsError:  # it is gone
            return None
        if not owner:
            return None
        return _Process(owner, cgroup_id, usage, self._round)

    def _identify(self, path: bytes) -> int:
        if path not in self._ids:
            self._ids[path] = read_cgroup_id((self._mount or b"").rstrip(b"/"), path)
        return self._ids[path]

    def _usage_of(self, owner: str) -> FileUsage:
        return max((process.usage for process in self._fullest[owner].values()), key=lambda each: each.share)

    def _share_of(self, owner: str) -> float:
        return max((process.usage.share for process in self._fullest[owner].values()), default=-math.inf)


class NamespaceFiles:
    """Remembers the fullest processes of one network namespace beside the host's own, by their numbers."""

    def __init__(self) -> None:
        self._fullest: list[int] = []
        self._place = 0

    def update(self, procfs: Procfs, found: FoundNamespace) -> FileUsage | None:
        """Return the usage of the fullest process, as far as known; None where none counts.

        It looks at the fullest ones again, and at the next of the others.
        """
        self._place = self._place if self._place < len(found.processes) else 0
        due = found.processes[self._place :][:PROCESSES_AT_ONCE]
        self._place += len(due)
        pids = dict.fromkeys([*self._fullest, *due]).keys() & set(found.processes)
        usages = {pid: usage for pid in pids if (usage := self._read(procfs, pid, found))}
        self._fullest = nlargest(_PROCESSES_KEPT, usages, key=lambda pid: usages[pid].share)
        return usages[self._fullest[0]] if self._fullest else None

    @staticmethod
    def _read(procfs: Procfs, pid: int, found: FoundNamespace) -> FileUsage | None:
        opened = procfs.count_files(pid)
        try:
            usage = _read_usage(procfs, pid, opened) if opened else None
            is_there = usage is not None and procfs.find_namespace(pid) == found.inode
        except ProcfsError:  # it is gone
            return None
        return usage if is_there else None


def _read_usage(procfs: Procfs, pid: int, opened: int) -> FileUsage | None:
    """Return the usage of a process with some open files; None by the second rule. Raises ProcfsError."""
    limit = parse_file_limit(procfs.read_process(str(pid), "limits") or b"")
    if limit is None or not max(opened, _LOWEST_LIMIT) <= limit:
        return None
    return FileUsage(opened, limit)
