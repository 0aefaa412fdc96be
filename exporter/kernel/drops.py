"""Tell which UDP sockets have dropped datagrams, because their receive buffer was full or a checksum wrong.

Sockets without drops, nearly all, cost a look at some columns that runs in C.

Source: ``inet_diag_msg_attrs_fill`` in net/ipv4/inet_diag.c, ``sock_diag_put_meminfo`` in
net/core/sock_diag.c, ``udp4_format_sock`` in net/ipv4/udp.c.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import compress
from struct import Struct
from typing import Final, NamedTuple

from exporter.kernel.attributes import ATTRIBUTE_HEADER_BYTES, place_attributes
from exporter.kernel.netlink import Block, dump
from exporter.kernel.sockdiag import INET_MESSAGE_BYTES, STATES_IN_PROCFS, question_of
from exporter.kernel.tables import Table

_SKMEMINFO: Final = 7
_WANT_SKMEMINFO: Final = 1 << (_SKMEMINFO - 1)
_DROPS_AT: Final = 4 * 8  # SK_MEMINFO_DROPS, in the attribute's payload
_WORD: Final = Struct("=I")
_PORTS_AT: Final = 20
_PORTS: Final = Struct("!HH")
_COOKIE_AT: Final = 60
_COOKIE: Final = Struct("=II")  # its lower half first, whatever the machine's byte order
_INODE_AT: Final = 84

_ROW: Final = re.compile(
    rb"^ *[0-9]+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]{2} [0-9A-F:]+ [0-9A-F:]+ [0-9A-F]+"
    rb" +[0-9]+ +[0-9]+ ([0-9]+) [0-9]+ \S+ ([1-9][0-9]*) *$",
    re.MULTILINE,
)


class Dropping(NamedTuple):
    """A socket that has dropped datagrams; ``remote_port`` is 0 when it is not connected.

    ``cookie`` tells it from every other socket since the system started, and is 0 where procfs has none.
    """

    local_port: int
    remote_port: int
    inode: int
    cookie: int
    drops: int


def read_drops(table: Table, deadline: float) -> Iterator[Dropping]:
    """Yield the sockets that have dropped, over netlink; ``deadline`` is on the monotonic clock.

    Raises SockDiagError, while iterating.
    """
    for blocks in dump(question_of(table, STATES_IN_PROCFS, extensions=_WANT_SKMEMINFO), deadline):
        for block in blocks:
            yield from find_drops(block)


def find_drops(block: Block) -> Iterator[Dropping]:
    """Yield the sockets in a block of messages that have dropped."""
    data, length = block
    starts: Iterable[int] = range(0, len(data), length)
    place = _place_drops(data[:length])
    heading = range(place - _DROPS_AT - ATTRIBUTE_HEADER_BYTES, place - _DROPS_AT)
    if place and all(data[i::length] == data[i : i + 1] * len(data[::length]) for i in heading):
        columns = (data[place + i :: length] for i in range(_WORD.size))
        starts = compress(starts, map(any, zip(*columns, strict=True)))
    for start in starts:
        message = data[start : start + length]
        if (place := _place_drops(message)) and (drops := _WORD.unpack_from(message, place)[0]):
            low, high = _COOKIE.unpack_from(message, _COOKIE_AT)
            (inode,) = _WORD.unpack_from(message, _INODE_AT)
            local_port, remote_port = _PORTS.unpack_from(message, _PORTS_AT)
            yield Dropping(local_port, remote_port, inode, high << 32 | low, drops)


def parse_drops(blocks: Iterable[bytes]) -> Iterator[Dropping]:
    """Yield the sockets that have dropped, from the text of a table in blocks of lines."""
    for block in blocks:
        for local, remote, inode, drops in _ROW.findall(block):
            yield Dropping(int(local, 16), int(remote, 16), int(inode), 0, int(drops))


def _place_drops(message: bytes) -> int:
    """Return where in a message the drops stand, 0 when it does not have them."""
    payload = place_attributes(message, INET_MESSAGE_BYTES).get(_SKMEMINFO, range(0))
    return payload.start + _DROPS_AT if len(payload) >= _DROPS_AT + _WORD.size else 0
