"""Split what NETLINK_SOCK_DIAG sends into blocks of messages of one length.

1. A dump ends with NLMSG_DONE, whose payload is an error number or 0, or with NLMSG_ERROR. A dump that is
   incomplete for any reason raises SockDiagError.
2. A message is never read beyond its length, nor beyond what was received. Answers to other requests are
   ignored.
3. Messages have one of a few lengths: the shortest, which has no attributes, and longer ones, by their
   attributes. They are grouped by length in C. A column of a block of equal messages is a slice with a
   stride, so nothing is done per message.

Not with pyroute2: it makes objects of every attribute, which takes minutes and half a gigabyte for a
million sockets.

Source: Documentation/userspace-api/netlink/intro.rst.
"""

import os
import re
from collections.abc import Iterable, Iterator
from enum import Enum
from errno import EACCES, EAFNOSUPPORT, EINVAL, ENOENT, EOPNOTSUPP, EPERM, EPROTONOSUPPORT, errorcode
from functools import lru_cache, reduce
from itertools import compress, islice
from operator import or_
from struct import Struct
from typing import Final, NamedTuple

HEADER_BYTES: Final = 16
NETLINK_SOCK_DIAG: Final = 4
SEQUENCE: Final = 0x6E737464  # any number: each dump has a socket of its own
TCPDIAG_GETSOCK: Final = 18
SOCK_DIAG_BY_FAMILY: Final = 20

_NLMSG_NOOP: Final = 1
_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3
_NLM_F_MULTI: Final = 0x2
_NLM_F_DUMP_INTR: Final = 0x10
HEADER: Final = Struct("=IHHII")  # length, type, flags, sequence number, port
_PORT: Final = 12
_ERROR_NUMBER: Final = Struct("=i")

_MAX_LENGTHS: Final = 6
_FIRST_MESSAGES: Final = 16

_UNAVAILABLE: Final = frozenset({EACCES, EAFNOSUPPORT, EINVAL, ENOENT, EOPNOTSUPP, EPERM, EPROTONOSUPPORT})


class Reason(Enum):
    """Whether a retry helps: not soon, at once, or with more time."""

    UNAVAILABLE = "unavailable"
    TRANSIENT = "transient"
    TIMEOUT = "timeout"


class SockDiagError(Exception):
    """The kernel could not be asked, or its answer is incomplete."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(f"sock_diag: {message}")
        self.reason = reason


class Block(NamedTuple):
    """Messages of one ``length``, headers included, one after the other."""

    data: bytes
    length: int

    def messages(self) -> Iterator[bytes]:
        """Yield each message, its header included."""
        data, length = self
        return (data[start : start + length] for start in range(0, len(data), length))

    def select(self, flags: Iterable[int]) -> "Block":
        """Return the messages whose flag is not 0; flags are in their order, and may end early."""
        data, length = self
        starts = compress(range(0, len(data), length), flags)
        return Block(b"".join([data[start : start + length] for start in starts]), length)

    def flag_nonzero(self, places: Iterable[int]) -> bytes:
        """Return a byte for each message: 0 if it has only zeros at these places."""
        data, length = self
        columns = [int.from_bytes(data[place::length]) for place in places]
        return reduce(or_, columns, 0).to_bytes(len(data) // length)


class Question(NamedTuple):
    """A request for a dump, without its header; the least length of its answers, with theirs; their type."""

    request: bytes
    shortest: int
    kind: int = SOCK_DIAG_BY_FAMILY


class MessageSplitter:
    """Splits what was received into blocks, until it is ``done``.

    It learns the lengths of messages from the first few, and from the first few behind a length that it does
    not know. All of these are split in C. If there are too many different lengths to learn, all that follows
    one of the others is split one by one.
    """

    def __init__(self, shortest: int, kind: int = SOCK_DIAG_BY_FAMILY) -> None:
        self.done = False
        self._shortest = shortest
        self._kind = kind
        self._lengths: tuple[int, ...] = ()

    def split(self, data: memoryview) -> list[Block]:
        """Return the messages in one or more whole datagrams; raises SockDiagError."""
        blocks: list[Block] = []
        if not self._lengths:
            self._learn_lengths(data)
        known: tuple[int, ...] = ()
        while self._lengths != known:
            known = self._lengths
            *runs, rest = zip(*_runs_of(self._kind, known).findall(data), strict=True)
            blocks += [Block(b"".join(run), length) for length, run in zip(known, runs, strict=True)]
            data = memoryview(b"".join(rest))
            if data:
                self._learn_lengths(data)
        return [block for block in blocks if block.data] + self._split_singly(data)

    def _learn_lengths(self, data: memoryview) -> None:
        """Learn the lengths of the first messages, up to one that is no answer to what was asked."""
        lengths: list[int] = []
        while len(data) >= HEADER_BYTES and len(lengths) < _FIRST_MESSAGES:
            length, kind, _, sequence, _ = HEADER.unpack_from(data)
            if kind != self._kind or sequence != SEQUENCE or not self._shortest <= length <= len(data):
                break
            lengths.append(length)
            data = data[length:]
        self._add_lengths(length for length in lengths if not length % 4)

    def _add_lengths(self, lengths: Iterable[int]) -> None:
        """Remember more lengths; they are sorted, because each order would be a pattern of its own."""
        known = dict.fromkeys((*self._lengths, *lengths))
        self._lengths = tuple(sorted(islice(known, _MAX_LENGTHS)))

    def _split_singly(self, data: memoryview) -> list[Block]:
        messages: dict[int, list[bytes]] = {}
        for message in self._walk(data):
            messages.setdefault(len(message), []).append(bytes(message))
        self._add_lengths(messages)
        return [Block(b"".join(alike), length) for length, alike in messages.items()]

    def _walk(self, data: memoryview) -> Iterator[memoryview]:
        while data and not self.done:
            if len(data) < HEADER_BYTES:
                raise _malformed(f"{len(data)} bytes after the last message")
            length, kind, flags, sequence, _ = HEADER.unpack_from(data)
            if not HEADER_BYTES <= length <= len(data):
                raise _malformed(f"a message says it has {length} bytes, {len(data)} were received")
            if sequence == SEQUENCE:
                if flags & _NLM_F_DUMP_INTR:
                    raise SockDiagError(Reason.TRANSIENT, "the dump was interrupted: sockets changed")
                if kind == self._kind:
                    if length < self._shortest or length % 4:
                        raise _malformed(f"a message of {length} bytes")
                    yield data[:length]
                else:
                    self._control(kind, data[HEADER_BYTES:length])
            data = data[length + -length % 4 :]

    def _control(self, kind: int, payload: memoryview) -> None:
        if kind in {_NLMSG_ERROR, _NLMSG_DONE}:
            if len(payload) < _ERROR_NUMBER.size:
                raise _malformed(f"an end of {len(payload)} bytes")
            (number,) = _ERROR_NUMBER.unpack_from(payload)
            if number:
                raise explain(-number)
            self.done = True
        elif kind != _NLMSG_NOOP:
            raise _malformed(f"a message of type {kind}")


@lru_cache(maxsize=16)
def _runs_of(kind: int, lengths: tuple[int, ...]) -> re.Pattern[bytes]:
    """Match messages that follow each other: a group for each of the lengths, and last what no group matches.

    That is all that is behind a message of another length, or behind what is no answer to what was asked.
    """
    headers = [HEADER.pack(length, kind, _NLM_F_MULTI, SEQUENCE, 0)[:_PORT] for length in lengths]
    messages = [
        b"%b.{%d}" % (re.escape(header), length - _PORT)
        for header, length in zip(headers, lengths, strict=True)
    ]
    runs = b"".join(b"((?:%b)*+)" % message for message in messages)
    return re.compile(b"%b(?:(?=%b)|(.*+))" % (runs, b"|".join(messages)), re.DOTALL)


def _malformed(what: str) -> SockDiagError:
    return SockDiagError(Reason.TRANSIENT, f"malformed: {what}")


def explain(number: int) -> SockDiagError:
    """Return what the kernel's error number means."""
    if number not in errorcode:  # which os.strerror may not even be able to take
        return _malformed(f"error number {number}")
    reason = Reason.UNAVAILABLE if number in _UNAVAILABLE else Reason.TRANSIENT
    return SockDiagError(reason, os.strerror(number))
