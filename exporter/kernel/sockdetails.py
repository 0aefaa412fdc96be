"""Tell who is behind the TCP sockets in some states: ports, local address, inode, cgroup.

Only these sockets are dumped, one object for each: it is meant for the few that need a look, not for tables.

Source: include/uapi/linux/inet_diag.h, ``inet_diag_msg_attrs_fill`` in net/ipv4/inet_diag.c.
"""

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from struct import Struct
from typing import Final, NamedTuple

from exporter.kernel.attributes import ATTRIBUTE_HEADER_BYTES, place_attributes
from exporter.kernel.netlink import Block, dump
from exporter.kernel.sockdiag import INET_MESSAGE_BYTES, PORT_COLUMNS, STATE_COLUMN, question_of
from exporter.kernel.tables import Table

ADDRESS_BYTES: Final = 16

_DETAIL: Final = Struct(f"=HHBIQ{ADDRESS_BYTES}sQ")
_LOCAL_ADDRESS: Final = range(24, 24 + ADDRESS_BYTES)
_INODE: Final = range(84, 88)
_COOKIE: Final = range(60, 68) if sys.byteorder == "little" else (*range(64, 68), *range(60, 64))
_INET_DIAG_CGROUP_ID: Final = 21
_CGROUP_ID_BYTES: Final = 8


class Detail(NamedTuple):
    """One socket.

    ``inode`` is that of its file, 0 without one, as in a minisocket or before accept. ``cookie`` tells it
    from every other socket since the system started. ``local_address`` is in network order, that of IPv4
    with zeros behind it. ``cgroup_id`` is the inode of its creator's cgroup directory, 0 for a minisocket and
    where the kernel is older than 5.9.
    """

    local_port: int
    remote_port: int
    state: int
    inode: int
    cookie: int
    local_address: bytes
    cgroup_id: int


def read_details(table: Table, states: Collection[int], deadline: float) -> Iterator[Detail]:
    """Yield the sockets of a TCP table that are in one of ``states``; ``deadline`` is on the monotonic clock.

    Raises SockDiagError, while iterating.
    """
    question = question_of(table, sum(1 << state for state in set(states)))
    for blocks in dump(question, deadline):
        for block in blocks:
            yield from parse_details(block)


def parse_details(block: Block) -> Iterator[Detail]:
    """Yield what messages of inet_diag say of their sockets.

    As a rule those of one length have the same attributes; where not, they are read one by one.
    """
    data, length = block
    places = place_attributes(data[:length], INET_MESSAGE_BYTES)
    if not _is_same_in_all(block, places):
        for start in range(0, len(data), length):
            yield from parse_details(Block(data[start : start + length], length))
        return
    cgroup_id = places.get(_INET_DIAG_CGROUP_ID, range(0))
    columns = [*PORT_COLUMNS, STATE_COLUMN, *_INODE, *_COOKIE, *_LOCAL_ADDRESS]
    columns += cgroup_id if len(cgroup_id) == _CGROUP_ID_BYTES else ()
    yield from map(Detail._make, _DETAIL.iter_unpack(_pack_columns(block, columns)))


def _is_same_in_all(block: Block, places: Mapping[int, range]) -> bool:
    """Tell whether the headers of these attributes are at their places in all messages of a block."""
    data, length = block
    headers = (range(place.start - ATTRIBUTE_HEADER_BYTES, place.start) for place in places.values())
    columns = (data[column::length] for header in headers for column in header)
    return len(data) == length or all(column.count(column[0]) == len(column) for column in columns)


def _pack_columns(block: Block, columns: Iterable[int]) -> bytearray:
    """Return details with these bytes of each message, and with zeros behind them."""
    packed = bytearray(len(block.data) // block.length * _DETAIL.size)
    for place, column in enumerate(columns):
        packed[place :: _DETAIL.size] = block.data[column :: block.length]
    return packed
