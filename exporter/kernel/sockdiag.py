"""Read the socket tables through NETLINK_SOCK_DIAG, row for row what ``procnet`` reads from procfs.

1. The fields of a message that are counted stand at fixed places, before all attributes. They are unpacked
   there, in C, once a few columns of bytes were put in order.
2. The states asked for are those that procfs lists: not the pseudo-state of sockets that are bound only.
3. A dump resumes in the hash bucket where it stopped, as procfs does, but stops an eighth as often. A row
   that is listed twice is as rare as one that is missed, and not removed.

Source: include/uapi/linux/inet_diag.h, include/uapi/linux/unix_diag.h, net/ipv4/inet_diag.c,
net/unix/diag.c.
"""

import socket
import sys
from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import closing
from functools import lru_cache
from itertools import chain, repeat
from struct import Struct, calcsize
from types import MappingProxyType
from typing import Final

from exporter.kernel import states
from exporter.kernel.attributes import place_attributes
from exporter.kernel.netlink import (
    HEADER_BYTES,
    TCPDIAG_GETSOCK,
    Block,
    Question,
    dump,
)
from exporter.kernel.rows import Batch, Listener, Row, count_minisockets, set_listeners_apart
from exporter.kernel.tables import Table

STATES_IN_PROCFS: Final = 0xFFF
_ONLY_LISTEN: Final = 1 << states.LISTEN

_FAMILIES: Final = MappingProxyType({"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6})
_PROTOCOLS: Final = MappingProxyType(
    {
        "tcp": socket.IPPROTO_TCP,
        "udp": socket.IPPROTO_UDP,
        "udplite": socket.IPPROTO_UDPLITE,
        "raw": socket.IPPROTO_RAW,
    }
)

_INET_REQUEST: Final = Struct("=BBBxI2xH44x")  # family, protocol, extensions, states, remote port
_TCPDIAG_REQUEST: Final = Struct("=52xII")  # any family, any socket; states, memory not asked for
INET_MESSAGE_BYTES: Final = HEADER_BYTES + 72
_ROW: Final = "=20xHHB47xQ"
_STATE_IN_ROW: Final = 24  # where an address begins, which no row has: so the state comes behind the ports
_ROW_BYTES: Final = calcsize(_ROW)
STATE_COLUMN: Final = HEADER_BYTES + 1
_TIMER: Final = HEADER_BYTES + 2
_INODE: Final = range(84, 88)


def _port_columns(place: int) -> Iterable[int]:
    """Ports are in network order, all other fields in the machine's."""
    return (place + 1, place) if sys.byteorder == "little" else (place, place + 1)


PORT_COLUMNS: Final = (*_port_columns(20), *_port_columns(22))
"""Where the bytes of the local and of the remote port are."""

# What changes places before it is unpacked: the bytes of each port, or else idiag_rqueue and idiag_wqueue.
_SWAPPED: Final = {
    "little": ((20, 21), (22, 23)),
    "big": ((72, 76), (73, 77), (74, 78), (75, 79)),
}[sys.byteorder]

_UNIX_REQUEST: Final = Struct("=BBHIIIII")  # family, protocol, pad, states, inode, what to show, cookie
UNIX_MESSAGE_BYTES: Final = HEADER_BYTES + 16
_UNIX_STATE: Final = HEADER_BYTES + 2
_UDIAG_SHOW_RQLEN: Final = 0x10
_UNIX_DIAG_RQLEN: Final = 4
_QUEUES: Final = Struct("=II")  # of a listener: connections that wait for accept, and their limit
_CONNECTING: Final = 2
# The kernel gives sk_state here, and in procfs the state of struct socket, which it has no other way to tell.
_UNIX_STATES: Final = bytes(
    {states.ESTABLISHED: 3, states.CLOSE: 1, states.LISTEN: states.LISTEN}.get(code, states.UNKNOWN)
    for code in range(256)
)


def read_table(table: Table, deadline: float) -> Generator[Batch, None, None]:
    """Yield the rows of a table; ``deadline`` is on the monotonic clock.

    Raises SockDiagError, while iterating.
    """
    parse = parser_of(table)
    with closing(dump(question_of(table), deadline)) as answers:
        for blocks in answers:
            yield parse(blocks)


def read_tables(tables: Collection[Table], deadline: float) -> Generator[tuple[Table, Batch], None, None]:
    """Yield the rows of tables of one protocol, each batch with its table; TCP's two come in one dump.

    Raises SockDiagError.
    """
    if {table.name for table in tables} == {"tcp", "tcp6"}:
        yield from _read_both_families(tables, deadline)
        return
    for table in tables:
        with closing(read_table(table, deadline)) as batches:
            for batch in batches:
                yield table, batch


def read_listeners(table: Table, deadline: float) -> tuple[Listener, ...]:
    """Return TCP's listeners alone, at a cost that does not depend on the connections.

    Raises SockDiagError.
    """
    batches = map(parser_of(table), dump(question_of(table, _ONLY_LISTEN), deadline))
    return tuple(listener for batch in batches for listener in batch.listeners)


def _read_both_families(
    tables: Collection[Table], deadline: float
) -> Generator[tuple[Table, Batch], None, None]:
    """Ask as before there was SOCK_DIAG_BY_FAMILY: then the kernel walks its hash once, not twice."""
    parsers = [(table, _FAMILIES[table.family], _InetParser(table)) for table in tables]
    question = Question(_TCPDIAG_REQUEST.pack(STATES_IN_PROCFS, 0), INET_MESSAGE_BYTES, TCPDIAG_GETSOCK)
    with closing(dump(question, deadline)) as answers:
        for blocks in answers:
            for table, family, parser in parsers:
                if own := [selected for block in blocks if (selected := _select_family(block, family))]:
                    yield table, parser.parse(own)


def _select_family(block: Block, family: int) -> Block | None:
    data, length = block
    families = data[HEADER_BYTES::length]
    if family not in families:
        return None
    if families.count(family) == len(families):
        return block
    starts = range(0, len(data), length)
    messages = (data[i : i + length] for i, each in zip(starts, families, strict=True) if each == family)
    return Block(b"".join(messages), length)


def question_of(
    table: Table, wanted_states: int = STATES_IN_PROCFS, *, remote_port: int = 0, extensions: int = 0
) -> Question:
    """Return how to ask for the sockets of a table that are in some states, a bit for each.

    Of an inet table the kernel can pick those with one remote port, and add attributes, a bit for each.
    """
    if table.protocol == "unix":
        request = _UNIX_REQUEST.pack(socket.AF_UNIX, 0, 0, wanted_states, 0, _UDIAG_SHOW_RQLEN, 0, 0)
        return Question(request, UNIX_MESSAGE_BYTES)
    request = _INET_REQUEST.pack(
        _FAMILIES[table.family],
        _PROTOCOLS[table.protocol],
        extensions,
        wanted_states,
        socket.htons(remote_port),
    )
    return Question(request, INET_MESSAGE_BYTES)


def parser_of(table: Table) -> Callable[[Iterable[Block]], Batch]:
    """Return what makes rows of the messages of a table."""
    return _parse_unix if table.protocol == "unix" else _InetParser(table).parse


class _InetParser:
    """Parses the messages of one inet table."""

    def __init__(self, table: Table) -> None:
        self._name_unknown = bytes(code if code in table.states else states.UNKNOWN for code in range(256))

    def parse(self, blocks: Iterable[Block]) -> Batch:
        """Return the rows of some blocks."""
        listeners: list[Listener] = []
        unpacked: list[Iterable[Row]] = []
        listed = minisockets = 0
        for block in blocks:
            codes = block.data[STATE_COLUMN :: block.length].translate(self._name_unknown)
            rows = _unpack_rows(block, codes)
            if states.LISTEN in codes:
                found, rows = set_listeners_apart(rows, limits_known=True)
                listeners += found
            unpacked.append(rows)
            listed += len(codes)
            minisockets += count_minisockets(codes, block.data[_TIMER :: block.length])
            minisockets -= _count_fast_open(block, codes)
        return Batch(listeners, chain.from_iterable(unpacked), listed, minisockets=minisockets)


def _unpack_rows(block: Block, codes: bytes) -> Iterable[Row]:
    data, length = bytearray(block.data), block.length
    for one, other in _SWAPPED:
        data[one::length], data[other::length] = data[other::length], data[one::length]
    data[_STATE_IN_ROW::length] = codes
    return _row_of(length).iter_unpack(data)


@lru_cache(maxsize=16)
def _row_of(length: int) -> Struct:
    return Struct(f"{_ROW}{length - _ROW_BYTES}x")


def _count_fast_open(block: Block, codes: bytes) -> int:
    """Return how many sockets in SYN_RECV are no minisockets: those of TCP Fast Open have an inode."""
    if states.SYN_RECV not in codes:
        return 0
    inodes = zip(*(block.data[column :: block.length] for column in _INODE), strict=True)
    return sum(code == states.SYN_RECV and any(inode) for code, inode in zip(codes, inodes, strict=True))


def _parse_unix(blocks: Iterable[Block]) -> Batch:
    """Return the rows of some blocks of unix sockets.

    The kernel leaves out connections that wait for accept, which procfs lists as connecting, because they
    have no inode yet. They are as many as their listeners have in their queues.
    """
    codes = bytearray()
    for block in blocks:
        block_codes = block.data[_UNIX_STATE :: block.length].translate(_UNIX_STATES)
        codes += block_codes
        if states.LISTEN in block_codes:
            messages = (block.data[i : i + block.length] for i in range(0, len(block.data), block.length))
            waiting = sum(
                _queue_length(message)
                for message, code in zip(messages, block_codes, strict=True)
                if code == states.LISTEN
            )
            codes += bytes([_CONNECTING]) * waiting
    rows = zip(repeat(0), repeat(0), codes, repeat(0))
    return Batch((), rows, len(codes))


def _queue_length(message: bytes) -> int:
    place = place_attributes(message, UNIX_MESSAGE_BYTES).get(_UNIX_DIAG_RQLEN, range(0))
    return int(_QUEUES.unpack_from(message, place.start)[0]) if len(place) >= _QUEUES.size else 0
