"""Ask rows everything that they can be asked, and check that every line or message is accounted for."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from exporter.kernel import states
from exporter.kernel.diag_rows import DiagRows
from exporter.kernel.inet_diag import read_listeners
from exporter.kernel.inet_requests import ask_for
from exporter.kernel.netlink import Block, MessageSplitter, Question
from exporter.kernel.procnet import parse_table
from exporter.kernel.rows import Dropping, InetRows, Listener, ListenerRows, Queues, Rows, Trying
from exporter.kernel.tables import TABLES
from exporter.kernel.textrows import TextRows
from exporter.kernel.unix_diag import ask_for_unix, parse_unix
from tests.support.procfs_tree import CAPTURED, Printed, print_row, print_table

HEADER = print_table("tcp")
GOOD = [print_row("tcp", Printed(22 + i, peer=i), i) for i in range(3)]
"""Rows of TCP with nothing wrong in them."""
INTERNET = [name for name in TABLES if name != "unix"]
WITH_STATES_OF_UDP = [name for name in INTERNET if not name.startswith("tcp")]
IN_SOCKDIAG = [name for name in TABLES if not name.startswith("raw")]
"""The tables that sock_diag has in every kernel; raw sockets need a module that is seldom there."""
TRIES = 3
"""How many tries make a socket one that is trying."""

NaiveRow = tuple[int, int, int, Queues]
"""State, local port, remote port, queues."""


class Socket(NamedTuple):
    """What rows of any source say of one socket; the addresses are in network order."""

    state: int
    local_port: int
    remote_port: int
    queues: Queues
    source: bytes
    destination: bytes
    inode: int


class Parsed(NamedTuple):
    """What was found in all blocks, sorted; ``rows`` have a listener's as any other."""

    rows: list[NaiveRow]
    listeners: list[Listener]
    listed: int
    malformed: int
    repeated: int
    minisockets: int
    sockets: list[Socket] = []  # noqa: RUF012 - a tuple's default
    dropping: list[Dropping] = []  # noqa: RUF012
    trying: list[Trying] = []  # noqa: RUF012


def parse(table: str, *blocks: bytes) -> Parsed:
    """Parse the text of a table."""
    return ask_all(parse_table(TABLES[table], blocks))


def parse_dump(table: str, *datagrams: bytes) -> Parsed:
    """Parse a dump of a table."""
    return ask_all(rows_of_dump(table, *datagrams))


def ask_all(batches: Iterable[Rows]) -> Parsed:
    """Ask all rows everything."""
    rows: list[NaiveRow] = []
    listeners: list[Listener] = []
    sockets: list[Socket] = []
    dropping: list[Dropping] = []
    trying: list[Trying] = []
    totals = Counter[str]()
    for batch in batches:
        found = check_rows(batch)
        if isinstance(batch, DiagRows | TextRows):
            asked = ask_inet(batch)
            assert found == [socket[:4] for socket in asked]
            sockets += asked
            dropping += batch.dropping()
            trying += batch.trying(TRIES)
        rows += found
        listeners += batch.listeners
        totals.update(listed=batch.listed, malformed=batch.malformed)
        totals.update(repeated=batch.repeated, minisockets=batch.minisockets)
    rows += [(states.LISTEN, one.port, 0, Queues(0, one.waiting)) for one in listeners]
    return Parsed(
        sorted(rows),
        sorted(listeners),
        totals["listed"],
        totals["malformed"],
        totals["repeated"],
        totals["minisockets"],
        sorted(sockets),
        sorted(dropping),
        sorted(trying),
    )


def check_rows(rows: Rows) -> list[NaiveRow]:
    """Return the rows, which are as many as they say, in the states that they say."""
    unpacked = list(rows.unpack())
    assert list(rows.states) == [state for state, *_ in unpacked]
    assert rows.listed == len(rows.listeners) + len(unpacked) + rows.malformed + rows.repeated
    assert 0 <= rows.minisockets <= len(unpacked)
    assert rows.malformed >= 0 <= rows.repeated
    if not isinstance(rows, DiagRows | TextRows):
        assert {(0, 0, 0)} >= {row[1:] for row in unpacked}
        return [(*row[:3], Queues(0, 0)) for row in unpacked]
    split = rows.split_queues
    return [(state, local, remote, split(queues)) for state, local, remote, queues in unpacked]


def ask_inet(rows: InetRows) -> list[Socket]:
    """Ask for every socket all that is known of it, which agrees."""
    places = range(len(rows.states))
    tracked, origins = list(rows.tracked(places)), list(rows.origins(places))
    ends = list(rows.endpoints())
    assert all(
        0 <= identity < 1 << 56 and rows.expires_milliseconds(i) >= 0
        for i, (_, _, identity) in enumerate(tracked)
    )
    sockets = []
    for row, same, origin, (*start, own, peer) in zip(rows.unpack(), tracked, origins, ends, strict=True):
        state, local, remote, queues = row
        source, destination = rows.order_address(own), rows.order_address(peer)
        assert [state, local, remote] == start
        assert (local, remote) == same[:2]
        assert (local, source) == origin[:2]
        assert {16} == {len(source), len(destination)}
        split = rows.split_queues(queues)
        assert (queues == 0) == (split == (0, 0))
        sockets.append(Socket(state, local, remote, split, source, destination, origin.inode))
    last = places[:-4:-1]
    assert tracked[:-4:-1] == list(rows.tracked(last))
    assert origins[:-4:-1] == list(rows.origins(last))
    return sockets


def parse_naively(content: bytes) -> list[NaiveRow]:
    """Return the rows of an internet table with nothing wrong in it."""
    rows = []
    for line in content.decode("ascii").splitlines()[1:]:
        _, local, remote, state, queues = line.split()[:5]
        send, receive = queues.split(":")
        numbers = (state, local.split(":")[1], remote.split(":")[1], send, receive)
        code, local_port, remote_port, send_queue, receive_queue = (int(number, 16) for number in numbers)
        rows.append((code, local_port, remote_port, Queues(send_queue, receive_queue)))
    return sorted(rows)


def split_lines(content: bytes) -> list[bytes]:
    """Cut at line feeds, and nowhere else."""
    return [line + b"\n" for line in content.split(b"\n")[:-1]]


def question_of(table: str) -> Question:
    """Return how all sockets of a table are asked for."""
    return ask_for_unix() if table == "unix" else ask_for(TABLES[table])


def read_dump(table: str) -> bytes:
    """Return the datagrams in which a real kernel listed a table."""
    return (CAPTURED.parent / f"sockdiag_{table}.bin").read_bytes()


def split_dump(table: str, *datagrams: bytes) -> list[Block]:
    """Split a dump into blocks."""
    splitter = MessageSplitter(question_of(table).shortest)
    return [block for datagram in datagrams for block in splitter.split(memoryview(datagram))]


def rows_of_dump(table: str, *datagrams: bytes) -> Iterator[Rows]:
    """Return the rows of a dump, in which there may be listeners, too; they are asked for apart as a rule."""
    for block in split_dump(table, *datagrams):
        if table == "unix":
            yield parse_unix(block)
        elif not table.startswith("tcp"):
            yield DiagRows(TABLES[table], block)
        else:
            listening, others = (b"".join(each) for each in _set_apart(block))
            if listening:
                yield ListenerRows(tuple(read_listeners(Block(listening, block.length))))
            if others:
                yield DiagRows(TABLES[table], Block(others, block.length))


def _set_apart(block: Block) -> tuple[list[bytes], list[bytes]]:
    data, length = block
    messages = [data[start : start + length] for start in range(0, len(data), length)]
    listening = [message for message in messages if message[17] == states.LISTEN]
    return listening, [message for message in messages if message[17] != states.LISTEN]


def rows_of_tcp(*messages: bytes) -> DiagRows:
    """Return the rows of messages of one length."""
    return DiagRows(TABLES["tcp"], Block(b"".join(messages), len(messages[0])))
