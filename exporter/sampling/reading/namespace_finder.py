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


_NONE: Final = 0
_DENIED: Final = -1


class _Process(NamedTuple):
    """A process: the inode of its directory, its namespace, and its start in a namespace not the host's."""

    directory: int
    namespace: int
    started: int
    passes: int


class Search(NamedTuple):
    """What a search saw: the processes, and the host's own namespace, None where that is hidden."""

    processes: Mapping[int, _Process]
    home: int | None


class FoundNamespace(NamedTuple):
    """A network namespace, known by a ``number`` that is never given twice; the oldest process is first."""

    number: int
    inode: int
    processes: Sequence[int]


class NamespaceFinder:
    """Remembers the namespace of each process, as of the last search that was finished.

    ``denied`` is how many processes may not be asked for. A search that hangs changes nothing here, whenever
    it ends.
    """

    def __init__(self) -> None:
        self.denied = 0
        self._processes: Mapping[int, _Process] = {}
        self._namespaces: Mapping[int, FoundNamespace] = {}
        self._numbers = count(1)
        self._turn = 0

    def search(self, procfs: Procfs, limit: int = MAX_QUESTIONS) -> Search:
        """Look at the processes, and ask for the namespaces of so many; raises ProcfsError."""
        before, turn = self._processes, self._turn
        home = procfs.find_own_namespace()
        if home is None:  # no other could be told from it
            return Search({}, None)
        rounds = max(_ROUNDS, len(before) // _PROCESSES_OF_A_ROUND + 1)
        processes: dict[int, _Process] = {}
        left = limit
        for pid, directory in procfs.scan_processes():
            known = before.get(pid)
            if known is not None and known.directory != directory:  # the number is another's by now
                known = None
            is_due = known is None or known.passes < _YOUNG_PASSES or pid % rounds == turn % rounds
            if is_due and left:
                left -= 1
                processes[pid] = _ask(procfs, pid, directory, known, home)
            elif known is not None:
                processes[pid] = known
        return Search(processes, home)

    def finish(self, search: Search) -> Sequence[FoundNamespace]:
        """Return all namespaces but the host's own, as far as known; the next search goes on from here."""
        members: dict[int, list[tuple[int, int]]] = {}
        lasting: set[int] = set()
        self.denied = 0
        for pid, process in search.processes.items():
            if process.namespace == search.home:
                continue
            if process.namespace in {_NONE, _DENIED}:
                self.denied += process.namespace == _DENIED
                continue
            members.setdefault(process.namespace, []).append((process.started, pid))
            earlier = self._processes.get(pid)
            if earlier is not None and earlier[1:3] == process[1:3]:
                lasting.add(process.namespace)
        known = self._namespaces
        self._namespaces = {
            inode: FoundNamespace(
                known[inode].number if inode in lasting and inode in known else next(self._numbers),
                inode,
                [pid for _, pid in sorted(processes)],
            )
            for inode, processes in members.items()
        }
        self._processes = search.processes
        self._turn += 1
        return list(self._namespaces.values())


def _ask(procfs: Procfs, pid: int, directory: int, known: _Process | None, home: int) -> _Process:
    try:
        namespace = procfs.find_namespace(pid) or _NONE
    except ProcfsError:
        namespace = _DENIED
    if known is not None and known.namespace == namespace:
        return known._replace(passes=known.passes + 1)
    if namespace == home:
        return _Process(directory, home, 0, 1)  # one object for them all
    if namespace in {_NONE, _DENIED}:
        return _Process(directory, namespace, 0, 1)
    started = read_start(procfs, pid)
    return _Process(directory, namespace if started else _NONE, started, 1)
