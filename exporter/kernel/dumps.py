"""Ask for dumps of sockets through NETLINK_SOCK_DIAG, and receive them.

1. Each dump has a socket of its own, so no answer can belong to another request.
2. Only what the kernel sends is received. A datagram that was cut, or a dump that takes too long, raises
   SockDiagError.

Source: ``netlink_dump`` in net/netlink/af_netlink.c, ``sock_diag_rcv_msg`` in net/core/sock_diag.c.
"""

import socket
from collections.abc import Callable, Generator
from struct import Struct
from time import monotonic
from typing import Final, TypeVar

from exporter.kernel.netlink import (
    HEADER,
    HEADER_BYTES,
    NETLINK_SOCK_DIAG,
    SEQUENCE,
    Block,
    MessageSplitter,
    Question,
    Reason,
    SockDiagError,
    explain,
)

Answer = TypeVar("Answer")

_KERNEL: Final = 0
_TRUNCATED: Final = int(socket.MSG_TRUNC)  # as a number: a flag is made again for every datagram
_DUMP_FLAGS: Final = 0x301  # NLM_F_REQUEST and NLM_F_DUMP
_TIMEVAL: Final = Struct("@ll")
_DATAGRAM_BYTES: Final = 1 << 15  # the kernel makes none larger
_FIRST_BUFFER_BYTES: Final = 2 * _DATAGRAM_BYTES  # for a whole short dump: its end is a datagram of its own
_BUFFER_BYTES: Final = 8 * _DATAGRAM_BYTES  # what is more leaves the processor's cache before it is split


def dump(question: Question, deadline: float) -> Generator[list[Block], None, None]:
    """Ask for a dump, and yield what was received, some datagrams at a time.

    ``deadline`` is on the monotonic clock. Within one list messages change places only with those of another
    length. Raises SockDiagError, while iterating.
    """
    splitter = MessageSplitter(question.shortest, question.kind)
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    try:
        with socket.socket(socket.AF_NETLINK, kind, NETLINK_SOCK_DIAG) as channel:
            channel.send(encode_request(question))
            buffer = memoryview(bytearray(_FIRST_BUFFER_BYTES))
            while not splitter.done:
                yield splitter.split(buffer[: receive(channel, buffer, deadline)])
                if len(buffer) < _BUFFER_BYTES and not splitter.done:
                    buffer = memoryview(bytearray(_BUFFER_BYTES))
    except OSError as error:
        raise explain(error.errno or 0) from error


def retry_once(ask: Callable[[], Answer]) -> Answer:
    """Return the answer to one or more dumps; retry once after a transient error. Raises SockDiagError."""
    try:
        return ask()
    except SockDiagError as error:
        if error.reason is not Reason.TRANSIENT:
            raise
    return ask()


def encode_request(question: Question) -> bytes:
    """Return the message that asks for a dump."""
    length = HEADER_BYTES + len(question.request)
    return HEADER.pack(length, question.kind, _DUMP_FLAGS, SEQUENCE, _KERNEL) + question.request


def receive(channel: socket.socket, buffer: memoryview, deadline: float) -> int:
    """Fill the buffer with as many datagrams of the kernel as are there, one at least; return where they end.

    Raises SockDiagError and OSError.
    """
    end = 0
    while not end or end + _DATAGRAM_BYTES <= len(buffer):
        if not end:
            _set_timeout(channel, deadline)
        flags = socket.MSG_DONTWAIT if end else 0
        try:
            size, _, received_flags, (sender, _) = channel.recvmsg_into([buffer[end:]], 0, flags)
        except BlockingIOError:
            if end:
                break
            continue
        if sender != _KERNEL:
            continue
        if received_flags & _TRUNCATED:
            raise SockDiagError(Reason.TRANSIENT, "a datagram was cut")
        end += size
    return end


def _set_timeout(channel: socket.socket, deadline: float) -> None:
    """Make the kernel wait until the deadline at most; 0 would mean no timeout."""
    microseconds = int((deadline - monotonic()) * 1_000_000)
    if microseconds <= 0:
        raise SockDiagError(Reason.TIMEOUT, "timeout: the dump takes too long")
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(*divmod(microseconds, 1_000_000)))
