"""Tables are walked as the kernel can best list them, and real sockets are in them."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from socket import AF_INET, AF_INET6

import pytest

from exporter.kernel import sockdiag, states
from exporter.kernel.diag_rows import DiagRows
from exporter.kernel.inet_details import KINDS
from exporter.kernel.netlink import Block, Question, Reason, SockDiagError
from exporter.kernel.rows import Listener, ListenerRows, Rows
from exporter.kernel.sockdiag import read_bound, read_listeners, walk_tables
from exporter.kernel.tables import TABLES, Detail, Table
from tests.support.kernel.messages import inet
from tests.support.kernel.parsed import check_rows, parse

BOTH = [TABLES["tcp"], TABLES["tcp6"]]
PATIENCE_SECONDS = 10


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Listen on loopback."""
    with socket.create_server(("127.0.0.1", 0), backlog=7) as server:
        yield server


def inode_of(one: socket.socket) -> int:
    """Return the inode by which the kernel knows a socket."""
    return os.fstat(one.fileno()).st_ino


def walk(*names: str, details: Detail = Detail.NONE) -> list[tuple[str, Rows]]:
    """Walk tables of this machine, as they are now."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    found = list(walk_tables([TABLES[name] for name in names], deadline, details))
    for _, rows in found:
        check_rows(rows)
    return [(table.name, rows) for table, rows in found]


def has_socket(rows: Rows, one: socket.socket) -> bool:
    """Tell whether a socket is among rows that do not listen."""
    if not isinstance(rows, DiagRows):
        return False
    return inode_of(one) in {origin.inode for origin in rows.origins(range(len(rows.states)))}


@pytest.mark.parametrize("names", [("tcp", "tcp6"), ("tcp",)])
def test_walk_of_tcp(listener: socket.socket, names: tuple[str, ...]) -> None:
    """Listeners come first, once, with their limits; connections follow in their tables."""
    with socket.create_connection(listener.getsockname()) as client:
        found = walk(*names)
        assert {"tcp"} == {name for name, rows in found if has_socket(rows, client)}
    kinds = [isinstance(rows, ListenerRows) for _, rows in found]
    assert [True] * len(names) == kinds[: len(names)]
    assert not any(kinds[len(names) :])
    assert names == tuple(name for name, _ in found[: len(names)])
    (ours,) = [one for one in found[0][1].listeners if one.inode == inode_of(listener)]
    assert (listener.getsockname()[1], 7, 1) == (ours.port, ours.limit, ours.waiting)


def test_details_come_with_the_rows_of_tcp(listener: socket.socket) -> None:
    """A connection without data is idle for any time, and one with unread data holds memory."""
    port = listener.getsockname()[1]
    with socket.create_connection(listener.getsockname()) as client, listener.accept()[0]:
        client.send(b"unread")
        mine = client.getsockname()[1]
        found = walk("tcp", details=Detail.DATA_TIMES | Detail.MEMORY)
        rows = [each for _, each in found if isinstance(each, DiagRows)]
        assert {(mine, port), (port, mine)} <= {(each[0], each[1]) for one in rows for each in one.idle(0)}
        held = {ports: memory for one in rows for ports, _, memory in one.memory()}
        assert held[port, mine][KINDS.index("receive")] > len(b"unread")


def test_walk_of_tcp6_alone() -> None:
    with socket.create_server(("::1", 0), family=AF_INET6) as server:
        with socket.create_connection(server.getsockname()[:2]) as client:
            found = walk("tcp6")
            assert any(has_socket(rows, client) for _, rows in found)
        assert {"tcp6"} == {name for name, _ in found}
        assert any(one.inode == inode_of(server) for one in found[0][1].listeners)


@pytest.mark.parametrize("details", [Detail.NONE, Detail.DROPS])
def test_walk_of_udp(details: Detail) -> None:
    """What a socket dropped is known when it is asked for."""
    with (
        socket.socket(AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        receiver.bind(("127.0.0.1", 0))
        for _ in range(20):
            sender.sendto(bytes(1000), receiver.getsockname())
        found = walk("udp", "udp6", details=details)
        assert {"udp"} == {name for name, rows in found if has_socket(rows, receiver)}
        dropping = [each for _, rows in found if isinstance(rows, DiagRows) for each in rows.dropping()]
        ours = {each.drops for each in dropping if each.inode == inode_of(receiver)}
        assert ({drops_in_text(receiver)} if details else set()) == ours


def drops_in_text(one: socket.socket) -> int:
    """Return what a socket dropped by the text."""
    with open("/proc/self/net/udp", "rb") as file:
        found = parse("udp", file.read()).dropping
    return next(each.drops for each in found if each.inode == inode_of(one))


def test_walk_of_unix() -> None:
    """Ours are there, more than fit in a datagram."""
    with ExitStack() as stack:
        for one in chain.from_iterable(socket.socketpair() for _ in range(500)):
            stack.enter_context(one)
        found = walk("unix")
    assert 1000 <= sum(rows.states.count(3) for _, rows in found)
    assert {("unix", 0)} == {(name, rows.malformed) for name, rows in found}


def test_walk_of_raw_sockets_says_when_it_cannot() -> None:
    """Where the kernel has no diag module for them, that never looks like no sockets."""
    try:
        assert {"raw"} >= {name for name, _ in walk("raw")}
    except SockDiagError as error:
        assert Reason.UNAVAILABLE == error.reason  # noqa: PT017 - either is right, by the kernel's build


def test_listeners_alone(listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()):
        found = read_listeners([TABLES["tcp"]], time.monotonic() + PATIENCE_SECONDS)["tcp"]
    (ours,) = [one for one in found if one.inode == inode_of(listener)]
    host, port = listener.getsockname()
    address = socket.inet_pton(AF_INET, host).ljust(16, b"\0")
    expected = Listener(port, address, 1, 7, inode_of(listener), ours.cgroup_id, ours.cookie, 0)
    assert expected == ours
    assert ours.cookie


def test_bound_alone(listener: socket.socket) -> None:
    """A kernel before 6.8 lists none; neither listeners nor connections are among them."""
    with socket.socket() as bound, socket.create_connection(listener.getsockname()) as client:
        bound.bind(("127.0.0.1", 0))
        found = {
            origin.inode: origin
            for _, origin in read_bound([TABLES["tcp"]], time.monotonic() + PATIENCE_SECONDS)
        }
        assert found.keys().isdisjoint({inode_of(listener), inode_of(client)})
        if ours := found.get(inode_of(bound)):
            assert bound.getsockname()[1] == ours.local_port


def test_sockets_that_are_only_bound_are_in_no_walk() -> None:
    """Procfs does not list them, and sock_diag does when all states are asked for."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert not any(has_socket(rows, bound) for _, rows in walk("tcp", "tcp6"))


def test_one_dump_of_both_families_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a datagram has one family or both, each row goes to its table."""
    fields = [((1, 2), AF_INET), ((3, 4), AF_INET6), ((5, 6), AF_INET)]
    mixed = [inet(ports, 1, family=family) for ports, family in fields]
    datagrams = [mixed, mixed[:1], mixed[1:2]]
    blocks = [[Block(b"".join(messages), len(messages[0]))] for messages in datagrams]
    asked: list[Question] = []

    def answer(question: Question, _: float) -> Iterator[list[Block]]:
        asked.append(question)
        yield from blocks

    monkeypatch.setattr(sockdiag, "dump", answer)
    connected: dict[str, list[int]] = {"tcp": [], "tcp6": []}
    listening: dict[str, list[int]] = {"tcp": [], "tcp6": []}
    for table, rows in walk_tables(BOTH, 0.0):
        connected[table.name] += [local for _, local, _, _ in rows.unpack()]
        listening[table.name] += [listener.port for listener in rows.listeners]
    assert {"tcp": [1, 5, 1], "tcp6": [3, 3]} == connected == listening
    assert [1 << states.LISTEN, 0xFFF & ~(1 << states.LISTEN)] == [
        int.from_bytes(question.request[52:56], sys.byteorder) for question in asked
    ]


@pytest.mark.parametrize("tables", [BOTH, BOTH[:1], [TABLES["udp"]], [TABLES["unix"]]])
def test_walk_that_is_closed_closes_its_dump(tables: list[Table]) -> None:
    """Also in the midst of the connections, which come after the listeners."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()),
        socket.socket(type=socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_UNIX),
    ):
        datagrams.bind(("127.0.0.1", 0))
        before = os.listdir("/proc/self/fd")
        walking = walk_tables(tables, time.monotonic() + PATIENCE_SECONDS)
        next(rows for _, rows in walking if not isinstance(rows, ListenerRows))
        assert len(before) < len(os.listdir("/proc/self/fd"))
        walking.close()
        assert before == os.listdir("/proc/self/fd")


@pytest.mark.parametrize("tables", [BOTH, BOTH[:1], [TABLES["udp"]], [TABLES["unix"]]])
def test_walk_ends_at_its_deadline(tables: list[Table]) -> None:
    with pytest.raises(SockDiagError) as caught:
        list(walk_tables(tables, time.monotonic() - 1))
    assert Reason.TIMEOUT == caught.value.reason
