"""Tell who is behind the TCP sockets in some states: addresses, inode, cgroup.

Only these sockets are dumped, one object for each: it is meant for the few that need a look, not for tables.

Source: include/uapi/linux/inet_diag.h, ``inet_diag_msg_attrs_fill`` in net/ipv4/inet_diag.c.
"""

import socket
import sys
from collections.abc import Collection, Iterator
from struct import Struct
from typing import Final, NamedTuple

from exporter.kernel.netlink import dump, iterate_attributes
from exporter.kernel.sockdiag import INET_MESSAGE_BYTES, question_of
from exporter.kernel.tables import Table

_FAMILY: Final = 16
_STATE: Final = 17
_SOCKET_ID_AT: Final = 20
_SOCKET_ID: Final = Struct("!HH16s16s")  # ports and addresses, local first
_COOKIE_AT: Final = 60
_COOKIE_TO_INODE: Final = Struct("=II16xI")  # the cookie's lower half first, whatever the byte order
_INET_DIAG_CGROUP_ID: Final = 21
_CGROUP_ID_BYTES: Final = 8
_IPV4_BYTES: Final = 4


class Detail(NamedTuple):
    """One socket.

    Addresses have 4 or 16 bytes. ``inode`` is that of its file, 0 without one, as in a minisocket or before
    accept. ``cookie`` tells it from every other socket since the system started. ``cgroup_id`` is the inode
    of its creator's cgroup directory, None for a minisocket and where the kernel is older than 5.9.
    """

    local_address: bytes
    local_port: int
    remote_address: bytes
    remote_port: int
    state: int
    inode: int
    cookie: int
    cgroup_id: int | None


def read_details(table: Table, states: Collection[int], deadline: float) -> Iterator[Detail]:
    """Yield the sockets of a TCP table that are in one of ``states``; ``deadline`` is on the monotonic clock.

    Raises SockDiagError, while iterating.
    """
    question = question_of(table, sum(1 << state for state in set(states)))
    for blocks in dump(question, deadline):
        for data, length in blocks:
            for start in range(0, len(data), length):
                yield parse_detail(data[start : start + length])


def parse_detail(message: bytes) -> Detail:
    """Return what a whole message of inet_diag says of its socket."""
    local_port, remote_port, local, remote = _SOCKET_ID.unpack_from(message, _SOCKET_ID_AT)
    low, high, inode = _COOKIE_TO_INODE.unpack_from(message, _COOKIE_AT)
    used = _IPV4_BYTES if message[_FAMILY] == socket.AF_INET else len(local)
    return Detail(
        local[:used],
        local_port,
        remote[:used],
        remote_port,
        message[_STATE],
        inode,
        high << 32 | low,
        _find_cgroup_id(message),
    )


def _find_cgroup_id(message: bytes) -> int | None:
    for kind, payload in iterate_attributes(message[INET_MESSAGE_BYTES:]):
        if kind == _INET_DIAG_CGROUP_ID and len(payload) == _CGROUP_ID_BYTES:
            return int.from_bytes(payload, sys.byteorder)
    return None
