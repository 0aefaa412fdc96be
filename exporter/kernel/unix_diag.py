"""Lay out the messages of unix_diag, and turn them into rows.

Source: include/uapi/linux/unix_diag.h, net/unix/diag.c.
"""

import socket
from struct import Struct
from typing import Final

from exporter.kernel import states
from exporter.kernel.attributes import place_attributes
from exporter.kernel.netlink import HEADER_BYTES, Block, Question
from exporter.kernel.rows import StateRows

MESSAGE_BYTES: Final = HEADER_BYTES + 16

_ALL_STATES: Final = 0xFFF
_REQUEST: Final = Struct("=BBHIIIII")  # family, protocol, pad, states, inode, what to show, cookie
_STATE: Final = HEADER_BYTES + 2
_UDIAG_SHOW_RQLEN: Final = 0x10
_RQLEN: Final = 4
_QUEUES: Final = Struct("=II")  # of a listener: connections that wait for accept, and their limit
_CONNECTING: Final = 2
_LONGEST_QUEUE: Final = 0xFFFF  # more connections than wait for any listener
# The kernel gives sk_state here, and in procfs the state of struct socket.
_STATES: Final = bytes(
    {states.ESTABLISHED: 3, states.CLOSE: 1, states.LISTEN: states.LISTEN}.get(code, states.UNKNOWN)
    for code in range(256)
)


def ask_for_unix() -> Question:
    """Return how to ask for all unix sockets."""
    request = _REQUEST.pack(socket.AF_UNIX, 0, 0, _ALL_STATES, 0, _UDIAG_SHOW_RQLEN, 0, 0)
    return Question(request, MESSAGE_BYTES)


def parse_unix(block: Block) -> StateRows:
    """Return the rows of a block of unix sockets.

    The kernel leaves out connections that wait for accept, which procfs lists as connecting, because they
    have no inode yet. They are as many as their listeners have in their queues. A queue longer than can be is
    a malformed row.
    """
    codes = bytearray(block.data[_STATE :: block.length].translate(_STATES))
    waiting = malformed = 0
    if states.LISTEN in codes:
        for message, code in zip(block.messages(), bytes(codes), strict=True):
            if code == states.LISTEN:
                length = _queue_length(message)
                waiting += length if length <= _LONGEST_QUEUE else 0
                malformed += length > _LONGEST_QUEUE
    codes += bytes([_CONNECTING]) * waiting
    return StateRows(bytes(codes), malformed)


def _queue_length(message: bytes) -> int:
    place = place_attributes(message, MESSAGE_BYTES).get(_RQLEN, range(0))
    return int(_QUEUES.unpack_from(message, place.start)[0]) if len(place) >= _QUEUES.size else 0
