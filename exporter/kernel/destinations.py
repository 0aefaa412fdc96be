"""Tell towards which destinations TCP has sockets on one remote port: all states but LISTEN.

A *destination* is the bytes of a source and a destination address, to be compared and counted, not shown.
With the remote port they are three of the four things that tell two connections apart, so there are as many
different local ports as sockets. Nothing is done per socket but what runs in C.

Source: include/uapi/linux/inet_diag.h, Documentation/networking/proc_net_tcp.rst.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from struct import iter_unpack
from typing import Final

from exporter.kernel import states
from exporter.kernel.netlink import Block, dump
from exporter.kernel.sockdiag import STATES_IN_PROCFS, question_of
from exporter.kernel.tables import Table

_BUT_LISTEN: Final = STATES_IN_PROCFS & ~(1 << states.LISTEN)
_ADDRESSES: Final = range(24, 56)  # idiag_src and idiag_dst


def read_destinations(table: Table, remote_port: int, deadline: float) -> Iterator[Iterable[bytes]]:
    """Yield the destinations of the sockets, one for each, over netlink; the kernel picks those of the port.

    ``deadline`` is on the monotonic clock. Raises SockDiagError, while iterating.
    """
    for blocks in dump(question_of(table, _BUT_LISTEN, remote_port=remote_port), deadline):
        yield from map(find_destinations, blocks)


def find_destinations(block: Block) -> Iterable[bytes]:
    """Return the destination of every socket in a block of messages."""
    behind = block.length - _ADDRESSES.stop
    return chain.from_iterable(iter_unpack(f"{_ADDRESSES.start}x{len(_ADDRESSES)}s{behind}x", block.data))


def parse_destinations(blocks: Iterable[bytes], remote_port: int) -> Iterator[Iterable[bytes]]:
    """Yield the destinations of the sockets, one for each, from the text of a table in blocks of lines."""
    row = re.compile(
        rb"^ *[0-9]+: ([0-9A-F]{8,32}):[0-9A-F]{4} ([0-9A-F]{8,32}):%04X (?!%02X)"
        % (remote_port, states.LISTEN),
        re.MULTILINE,
    )
    for block in blocks:
        yield map(b" ".join, row.findall(block))
