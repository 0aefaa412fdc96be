"""Receive an event for each TCP socket that the kernel destroys, which needs no privileges.

An event is a message of inet_diag, a datagram each, with INET_DIAG_PROTOCOL and the last TCP_INFO behind the
fixed part. Here is one of a connection that had received 10 bytes and a FIN; what stands for nothing is left
out::

     0  7c 01 00 00 14 00        380 bytes, SOCK_DIAG_BY_FAMILY; no flags, and no sequence number
    16  02 07 00 00              family, state: always CLOSE
    20  91 77 95 fc              local and remote port, in network order
    24  16 bytes, 16 bytes       local and remote address
    60  05 10 00 00 00 00 00 00  cookie
    72  00 00 00 00 00 00 00 00  receive queue, send queue
    88  05 00 0a 00 06 00 00 00  INET_DIAG_PROTOCOL: TCP
    96  1c 01 02 00              INET_DIAG_INFO, 284 bytes with these; all that follows is in tcp_info
   200  00 00 00 00              segments sent again
   228  0b 00 00 00 00 00 00 00  bytes received, the FIN with them
   236  03 00 00 00              segments sent
   252  01 00 00 00              segments of data received
   292  02 00 00 00              segments that the peer acknowledged, 0 when it was never connected
   300  16 bytes                 bytes of data sent, and of these sent again

The kernel sends the event when it frees the socket: at close(), or later if there is something left to send.
A connection in TIME_WAIT has had its event. Each network namespace has events of its own. An event that finds
the buffer of this socket full is dropped, and counted in SK_MEMINFO_DROPS.

Source: ``sock_diag_broadcast_destroy`` in net/core/sock_diag.c, ``inet_diag_handler_get_info`` in
net/ipv4/inet_diag.c; Documentation/networking/filter.rst.
"""

import select
import socket
from array import array
from contextlib import ExitStack
from struct import Struct
from types import TracebackType
from typing import Final, Self

from exporter.kernel.inet_details import CLOSED_INFO_BYTES
from exporter.kernel.netlink import NETLINK_SOCK_DIAG, Block, Reason, SockDiagError, explain

_GROUPS: Final = 1 << 0 | 1 << 2  # a bit for SKNLGRP_INET_TCP_DESTROY, and one for SKNLGRP_INET6_TCP_DESTROY
_SOL_NETLINK: Final = 270
_NETLINK_NO_ENOBUFS: Final = 5  # go on after what did not fit, instead of an error until all is read
_SO_MEMINFO: Final = 55
_MEMINFO: Final = Struct("=9I")
_DROPS: Final = 8
_SO_ATTACH_FILTER: Final = 26
_PROGRAM: Final = Struct("@HP")  # struct sock_fprog: length, instructions
_INSTRUCTION: Final = Struct("=HBBI")  # code, jump if true, jump if false, operand
_RANDOM: Final = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM

_RECEIVE_BYTES: Final = 1 << 22  # the kernel gives as much of it as net.core.rmem_max allows
_BUFFER_BYTES: Final = 1 << 16
_EVENT_BYTES: Final = 1 << 12  # more than any


class CloseEvents:
    """A subscription to the events of both address families; close it after use.

    The one who makes it needs the network namespace of the sockets. Raises SockDiagError.
    """

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with ExitStack() as opened:
            try:
                # It is closed last, or its own end would be an event.
                any_socket = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
                _check_info(any_socket)
                self._channel = opened.enter_context(
                    socket.socket(socket.AF_NETLINK, kind, NETLINK_SOCK_DIAG)
                )
                self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
                self._channel.setsockopt(_SOL_NETLINK, _NETLINK_NO_ENOBUFS, 1)
                self._channel.bind((0, _GROUPS))
            except OSError as error:
                raise explain(error.errno or 0) from error
            self._opened = opened.pop_all()
        self._poller = select.poll()
        self._poller.register(self._channel, select.POLLIN)
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the subscription."""
        self._opened.close()

    def wait(self, seconds: float) -> bool:
        """Wait for events, and return whether there are any."""
        return bool(self._poller.poll(seconds * 1000))

    def read(self) -> list[Block]:
        """Return events that have come, none when all were read; raises SockDiagError.

        Who sent them need not be checked: only a privileged process could send to this socket.
        """
        buffer, end, lengths = self._buffer, 0, []
        try:
            while end + _EVENT_BYTES <= _BUFFER_BYTES:
                lengths.append(self._channel.recv_into(buffer[end:]))
                end += lengths[-1]
        except BlockingIOError:
            pass
        except OSError as error:
            raise explain(error.errno or 0) from error
        return _split(bytes(buffer[:end]), lengths)

    def count_lost(self) -> int:
        """Return how many events were dropped until now, because they were not read in time."""
        memory = self._channel.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        return int(_MEMINFO.unpack(memory)[_DROPS])

    def sample(self, one_in: int) -> None:
        """Receive at random one in so many of the events to come, a power of two; raises SockDiagError.

        The kernel drops the others before they cost anything here.
        """
        instructions = (
            (0x20, 0, 0, _RANDOM),  # load a random number
            (0x54, 0, 0, one_in - 1),  # of which the last bits count
            (0x15, 0, 1, 0),  # if they are 0
            (0x06, 0, 0, 0xFFFFFFFF),  # accept the whole event
            (0x06, 0, 0, 0),  # else drop it
        )
        code = array("B", b"".join(_INSTRUCTION.pack(*each) for each in instructions))
        program = _PROGRAM.pack(len(instructions), code.buffer_info()[0])
        try:
            self._channel.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
        except OSError as error:
            raise explain(error.errno or 0) from error


def _check_info(tcp: socket.socket) -> None:
    """Raise SockDiagError if this kernel's tcp_info lacks what is read of an event; raises OSError."""
    size = len(tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, CLOSED_INFO_BYTES))
    if size < CLOSED_INFO_BYTES:
        raise SockDiagError(
            Reason.UNAVAILABLE,
            f"this kernel's tcp_info has {size} bytes and lacks tcpi_bytes_sent; Linux 4.19 has it",
        )


def _split(data: bytes, lengths: list[int]) -> list[Block]:
    """Return messages in blocks of one length; nearly always all are alike."""
    lengths = [length for length in lengths if length]
    if not lengths:
        return []
    if lengths.count(lengths[0]) == len(lengths):
        return [Block(data, lengths[0])]
    messages: dict[int, list[bytes]] = {}
    start = 0
    for length in lengths:
        messages.setdefault(length, []).append(data[start : start + length])
        start += length
    return [Block(b"".join(alike), length) for length, alike in messages.items()]
