"""Find the network namespaces of the host by its processes, a part of the processes in every pass.

Every pass lists all processes. It asks for the namespace of those that are new or young, as a container's
first process enters its namespace after it was made, and of some of the others, so that each is asked for
within 12 passes, or more with over 12,000 processes.

The number of a namespace's inode is given to another one soon after the namespace has ended. A namespace is
the same as long as a process that was in it before is in it still.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Final, NamedTuple

from exporter.kernel.processes import read_start
from exporter.kernel.procfs import Procfs, ProcfsError

MAX_QUESTIONS: Final = 2000
"""How many processes are asked for at most in one pass, 10 microseconds each."""

_YOUNG_PASSES: Final = 3
_ROUNDS: Final = 12
_PROCESSES_OF_A_ROUND: Final = 1000


class _Process(NamedTuple):
    """A process: the inode of its directory, its namespace and its start; 0 where they are not known."""

    directory: int
    namespace: int
    started: int
    passes: int


class FoundNamespace(NamedTuple):
    """A network namespace, known by a ``number`` that is never given twice; the oldest process is first."""

    number: int
    inode: int
    processes: Sequence[int]


class NamespaceFinder:
    """Remembers the namespace of each process; ``denied`` are those that may not be asked for."""

    def __init__(self) -> None:
        self.denied = 0
        self._processes: dict[int, _Process] = {}
        self._namespaces: dict[int, FoundNamespace] = {}
        self._numbers = count(1)
        self._turn = 0

    def find(self, procfs: Procfs, home: int | None, limit: int = MAX_QUESTIONS) -> Sequence[FoundNamespace]:
        """Return all namespaces but ``home``, the host's own, as far as known; raises ProcfsError."""
        before, self._processes = self._processes, {}
        self._turn += 1
        rounds = max(_ROUNDS, len(before) // _PROCESSES_OF_A_ROUND + 1)
        left, self.denied = limit, 0
        for pid, directory in procfs.scan_processes():
            known = before.get(pid)
            is_due = (
                known is None
                or known.directory != directory
                or known.passes < _YOUNG_PASSES
                or pid % rounds == self._turn % rounds
            )
            if is_due and left:
                left -= 1
                self._processes[pid] = self._ask(procfs, pid, directory, known, home)
            elif known is not None and known.directory == directory:
                self._processes[pid] = known
        return self._gather(before, home)

    def _ask(
        self, procfs: Procfs, pid: int, directory: int, known: _Process | None, home: int | None
    ) -> _Process:
        try:
            namespace = procfs.find_namespace(pid) or 0
        except ProcfsError:
            self.denied += 1
            namespace = 0
        if known is not None and known.directory == directory and known.namespace == namespace:
            return known._replace(passes=known.passes + 1)
        started = read_start(procfs, pid) if namespace not in {0, home} else 0
        return _Process(directory, namespace, started, 1)

    def _gather(self, before: Mapping[int, _Process], home: int | None) -> Sequence[FoundNamespace]:
        members: dict[int, list[tuple[int, int]]] = {}
        lasting: set[int] = set()
        for pid, process in self._processes.items():
            if process.namespace in {0, home}:
                continue
            members.setdefault(process.namespace, []).append((process.started, pid))
            earlier = before.get(pid)
            if earlier is not None and earlier[1:3] == process[1:3]:
                lasting.add(process.namespace)
        self._namespaces = {
            inode: FoundNamespace(
                self._namespaces[inode].number
                if inode in lasting and inode in self._namespaces
                else next(self._numbers),
                inode,
                [pid for _, pid in sorted(processes)],
            )
            for inode, processes in members.items()
        }
        return list(self._namespaces.values())
