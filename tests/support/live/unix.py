"""Make unix sockets in every state that the kernel lists, some with names that mislead the table's readers.

DISCONNECTING is out of reach: a closed socket leaves the table at once (``unix_release_sock`` in
net/unix/af_unix.c).
"""

import os
import socket
import tempfile
from collections.abc import Iterator

from tests.support.live.made import Kept, Made

NAMES = (
    b"with two  blanks",
    b"\0abstract",
    b"not UTF-8 \xff\xfe",
    b"\0broken\nname",
    b"\0forging\n0000000000000000: 00000002 00000000 00010000 0001 01 99999 /run/forged.sock",
)
"""The last prints a whole row, of a listener that does not exist; the one before, a line that is no row."""

FORGED = Made("unix", "listen")
"""What procfs seems to list because of it."""

PAIRS = 2
WAITING = 3


def make_unix(kept: Kept) -> Iterator[Made]:
    """Make sockets of every type, and say what they are in the table."""
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)  # the table shows names as they were bound
        for name in NAMES:
            kept.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            kept[-1].bind(name)
        os.chdir("/")
    kept.append(socket.socket(socket.AF_UNIX))
    yield Made("unix", "unconnected", sockets=len(NAMES) + 1)

    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        for _ in range(PAIRS):
            kept += socket.socketpair(socket.AF_UNIX, kind)
    yield Made("unix", "connected", sockets=2 * 2 * PAIRS)

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(b"\0listener")
    listener.listen()
    kept.append(listener)
    yield Made("unix", "listen")

    for _ in range(WAITING):
        kept.append(socket.socket(socket.AF_UNIX))
        kept[-1].connect(b"\0listener")
    yield Made("unix", "connected", sockets=WAITING)
    yield Made("unix", "connecting", sockets=WAITING)  # their other ends, not accepted yet
