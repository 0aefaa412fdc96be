"""Stand for the kernel's answers over netlink where no kernel could be made to give them."""

import struct
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from socket import AF_INET, AF_INET6
from typing import NamedTuple

import pytest

from exporter.kernel import states
from exporter.kernel.diag_rows import DiagRows
from exporter.kernel.inet_diag import read_listeners, read_origins
from exporter.kernel.netlink import SEQUENCE, SOCK_DIAG_BY_FAMILY, Block, Reason, SockDiagError
from exporter.kernel.procfs import Procfs
from exporter.kernel.rows import Listener, ListenerRows, Origin, Rows
from exporter.kernel.tables import Detail, Table
from exporter.sampling.reading import reader, walk
from tests.support.kernel.messages import info, meminfo, memory

REFUSED = SockDiagError(Reason.UNAVAILABLE, "refused")
BUSY = SockDiagError(Reason.TRANSIENT, "busy")
LATE = SockDiagError(Reason.TIMEOUT, "late")

_MULTI = 2
_CGROUP_ID = 21


class Diag(NamedTuple):
    """A socket as inet_diag has it; a minisocket has neither inode nor cgroup.

    ``receive`` and ``send`` are its queues, for a listener how many wait and how many may. ``data_times`` are
    the milliseconds since it sent and received data, ``held`` is its memory: both have to be asked for.
    """

    local: int
    remote: int = 0
    state: int = states.ESTABLISHED
    cookie: int = 1
    inode: int = 0
    cgroup_id: int = 0
    own: bytes = bytes(16)
    peer: bytes = bytes(16)
    timer: int = 0
    expires: int = 0
    receive: int = 0
    send: int = 0
    drops: int | None = None
    tries: int = 0
    data_times: tuple[int, int] = (0, 0)
    held: tuple[int, int, int, int] = (0, 0, 0, 0)

    def message(self, family: str, details: Detail = Detail.NONE) -> bytes:
        """Return it as the kernel sends it."""
        attributes = meminfo(self.drops) if self.drops is not None else b""
        attributes += info(*self.data_times) if Detail.DATA_TIMES in details else b""
        attributes += memory(*self.held) if Detail.MEMORY in details else b""
        attributes += struct.pack("=HHQ", 12, _CGROUP_ID, self.cgroup_id) if self.cgroup_id else b""
        number = AF_INET if family == "ipv4" else AF_INET6
        payload = struct.pack("=BBBB", number, self.state, self.timer, self.tries)
        payload += struct.pack("!HH", self.local, self.remote) + self.own + self.peer
        payload += struct.pack(
            "=IQIIIII", 0, self.cookie, self.expires, self.receive, self.send, 0, self.inode
        )
        payload += attributes
        return struct.pack("=IHHII", 16 + len(payload), SOCK_DIAG_BY_FAMILY, _MULTI, SEQUENCE, 7) + payload


class OwnProcfs(Procfs):
    """A procfs in a folder that is taken for that of the own network namespace, which netlink shows."""

    def shows_own_namespace(self) -> bool:
        """Tell that it is."""
        return True


class Netlink:
    """Answers for the kernel; each of ``errors``, as long as there are any, is the answer to one dump.

    ``asked`` are the details of TCP's sockets that were asked for.
    """

    def __init__(self) -> None:
        self.errors: deque[Exception] = deque()
        self.sockets: dict[str, list[Diag]] = {}
        self.bound: list[Diag] = []
        self.dumps = 0
        self.asked: list[Detail] = []
        self.before_dump: Callable[[], object] = lambda: None

    def fill(self, table: str, *sockets: Diag) -> None:
        """Set the sockets of a table."""
        self.sockets[table] = list(sockets)

    def walk_tables(
        self, tables: Iterable[Table], deadline: float, details: Detail = Detail.NONE
    ) -> Generator[tuple[Table, Rows], None, None]:
        """Yield the listeners of every table, and then the other sockets."""
        del deadline
        self.dumps += 1
        self.asked += [details] if details & ~Detail.DROPS else []
        self.before_dump()
        self._fail()
        tables = list(tables)
        for table in tables:
            if table.protocol == "tcp":
                yield table, ListenerRows(self._listeners(table))
        for table in tables:
            others = [each for each in self.sockets.get(table.name, []) if each.state != states.LISTEN]
            for block in _group(others, table.family, details):
                yield table, DiagRows(table, block)

    def read_listeners(self, tables: Collection[Table], deadline: float) -> Mapping[str, Sequence[Listener]]:
        """Return the listeners by table."""
        del deadline
        self._fail()
        return {table.name: self._listeners(table) for table in tables}

    def read_bound(self, tables: Collection[Table], deadline: float) -> Sequence[tuple[Table, Origin]]:
        """Return the sockets that are bound and nothing more, which are the same for every table."""
        del deadline
        self._fail()
        return [
            (table, origin)
            for table in tables
            for block in _group(self.bound, table.family)
            for origin in read_origins(block)
        ]

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Answer in the kernel's place."""
        monkeypatch.setattr(walk, "walk_tables", self.walk_tables)
        monkeypatch.setattr(reader, "read_listeners", self.read_listeners)
        monkeypatch.setattr(reader, "read_bound", self.read_bound)

    def _listeners(self, table: Table) -> list[Listener]:
        listeners = [each for each in self.sockets.get(table.name, []) if each.state == states.LISTEN]
        return [found for block in _group(listeners, table.family) for found in read_listeners(block)]

    def _fail(self) -> None:
        if self.errors:
            raise self.errors.popleft()


def _group(sockets: Iterable[Diag], family: str, details: Detail = Detail.NONE) -> list[Block]:
    """Return messages in blocks of one length, as they are received."""
    messages: dict[int, list[bytes]] = {}
    for each in sockets:
        message = each.message(family, details)
        messages.setdefault(len(message), []).append(message)
    return [Block(b"".join(alike), length) for length, alike in messages.items()]
