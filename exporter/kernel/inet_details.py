"""Read what tables do not say: which of TCP's sockets are idle, what memory they hold, and how they ended.

Messages of one block have one length, and nearly always the same attributes at the same places. Then those
that matter are found by columns, and only these are unpacked. Where they differ, each is a block of its own.

Source: ``struct tcp_info`` in include/uapi/linux/tcp.h, ``tcp_get_info`` and ``tcp_disconnect`` in
net/ipv4/tcp.c; ``SK_MEMINFO_*`` in include/uapi/linux/sock_diag.h, ``sk_get_meminfo`` in net/core/sock.c.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, repeat
from struct import Struct, iter_unpack
from typing import Final

from exporter.kernel.attributes import place_alike
from exporter.kernel.inet_diag import (
    CGROUP_ID,
    FAMILY,
    INFO,
    LONG,
    MESSAGE_BYTES,
    PORTS,
    SKMEMINFO,
    STATE,
    WORD,
    places_of,
)
from exporter.kernel.netlink import Block
from exporter.kernel.rows import TIMER_KEEPALIVE
from exporter.kernel.states import ESTABLISHED

_IDLE_TIMERS: Final = frozenset({0, TIMER_KEEPALIVE})
_DATA_SENT: Final = 8 + 9 * 4  # tcpi_last_data_sent, in milliseconds; two words further tcpi_last_data_recv
_DATA_RECEIVED: Final = _DATA_SENT + 2 * 4
_MEMORY: Final = "I12xiI4xI"  # SK_MEMINFO_RMEM_ALLOC to SK_MEMINFO_BACKLOG
_MEMORY_WORDS: Final = (0, 16, 20, 28)  # where these are in it
_MEMORY_BYTES: Final = 32
_UPPER_BYTES: Final = (3, 2) if sys.byteorder == "little" else (0, 1)  # of a word
_SEND_QUEUE: Final = 76
_RETRANSMITTED: Final = 100  # tcpi_total_retrans
_RECEIVED: Final = 128  # tcpi_bytes_received, tcpi_segs_out
_DATA_SEGMENTS_RECEIVED: Final = 152  # tcpi_data_segs_in
_DELIVERED: Final = 192  # tcpi_delivered; a word further tcpi_bytes_sent, tcpi_bytes_retrans
CLOSED_INFO_BYTES: Final = _DELIVERED + 8 + 2 * 8
"""The least size of a tcp_info that has all of that, since Linux 4.19."""
_UNANSWERED: Final = 3  # a SYN, and what tcp_disconnect adds to the window of a peer that never showed one

Idle = tuple[int, int, bool]
"""Local port, remote port, and whether keepalive probes will be sent."""


Memory = tuple[tuple[int, int], int, Sequence[int]]
"""Local and remote port, the cgroup that made the socket, 0 where it is not known, and the bytes it holds.

These are, in the order of KINDS, the buffers of received data with all that belongs to them, what is reserved
and not used, the buffers of data to be sent, and segments that came while a program used the socket. What is
reserved may be below 0 for a moment.
"""
KINDS: Final = ("receive", "forward_allocated", "send", "backlog")

CONNECTION: Final = "connection"
ABORTED: Final = "aborted"
FAILED: Final = "failed"
UNCONNECTED: Final = "unconnected"
MALFORMED: Final = "malformed"
OUTCOMES: Final = (CONNECTION, ABORTED, FAILED, UNCONNECTED, MALFORMED)
"""How a socket ended.

A connection was established. One that its own program aborted (SO_LINGER of 0) has lost its remote port and
all it had counted. A failed one was never established: refused, timed out or given up. Listeners, and sockets
that nobody connected, were unconnected. What is malformed is no socket.
"""


Closed = tuple[str, int, int, int, int, int, int, int]
"""Outcome, address family, local and remote port, 0 where it is not known, and four numbers.

The numbers are bytes of data sent and received, segments sent, none of them twice, and segments sent again.
All are 0 but for connections that were not aborted.
"""


def read_closed(block: Block) -> Iterator[Closed]:
    """Yield the sockets that were destroyed, of the kernel's events.

    The kernel counts a FIN as a byte received; it is known to be none only where no segment had data.
    """
    alike_places = place_alike(block.data, block.length, MESSAGE_BYTES)
    for alike, places in _align(block, alike_places, INFO, CLOSED_INFO_BYTES):
        info = places[INFO].start
        numbers = _unpack(
            alike,
            (FAMILY, "B"),
            (_SEND_QUEUE, "I"),
            (info + _RETRANSMITTED, "I"),
            (info + _RECEIVED, "QI"),
            (info + _DATA_SEGMENTS_RECEIVED, "I"),
            (info + _DELIVERED, "I4xQQ"),
        )
        for (local, remote), fields in zip(_ports_of(alike), numbers, strict=True):
            family, queued, resent, received, segments, with_data, delivered, sent, sent_again = fields
            if not (remote and delivered):
                yield _name_outcome(remote, queued), family, local, remote, 0, 0, 0, 0
                continue
            received = received if with_data else 0
            sent, segments = max(sent - sent_again, 0), max(segments - resent, 0)
            yield CONNECTION, family, local, remote, sent, received, segments, resent


def _name_outcome(remote_port: int, queued: int) -> str:
    """Return how a socket ended that was never connected, or has lost all it had counted.

    tcp_disconnect, which ends what is aborted or refused, clears the remote port and what was counted, and
    moves on by the largest window that the peer has shown. So something seems to be queued.
    """
    if remote_port:
        return FAILED
    if not queued:
        return UNCONNECTED
    return ABORTED if queued > _UNANSWERED else FAILED


Places = Mapping[int, range]
"""Where the payload of each attribute is, by type, in every message of a block."""


def read_idle(block: Block, places: Places | None, at_least_milliseconds: int) -> Iterator[Idle]:
    """Yield the established connections without data for so long, of those for which TCP_INFO was asked.

    A socket that waits for its peer, with data or a probe of the window, is not idle. The kernel counts
    milliseconds in 32 bits, so after 49 days a socket begins again. ``places`` are None if messages differ.
    """
    for alike, at in _align(block, places, INFO, _DATA_RECEIVED + WORD.size):
        sent_at, received_at = at[INFO].start + _DATA_SENT, at[INFO].start + _DATA_RECEIVED
        candidates = _may_reach(alike, received_at, at_least_milliseconds)
        candidates = candidates and candidates & _may_reach(alike, sent_at, at_least_milliseconds)
        found = alike.select(candidates.to_bytes(len(alike.data) // alike.length) if candidates else ())
        numbers = _unpack(found, (STATE, "BB"), (sent_at, "I4xI"))
        for (local, remote), (state, timer, sent, received) in zip(_ports_of(found), numbers, strict=True):
            is_silent = sent >= at_least_milliseconds <= received
            if is_silent and state == ESTABLISHED and timer in _IDLE_TIMERS:
                yield local, remote, timer == TIMER_KEEPALIVE


def read_memory(block: Block, places: Places | None) -> Iterator[Memory]:
    """Yield the sockets that hold memory, of those for which SKMEMINFO was asked; see ``read_idle``."""
    for alike, at in _align(block, places, SKMEMINFO, _MEMORY_BYTES):
        memory, cgroup = at[SKMEMINFO].start, at.get(CGROUP_ID, range(0))
        words = (range(memory + word, memory + word + WORD.size) for word in _MEMORY_WORDS)
        holders = alike.select(alike.flag_nonzero(chain.from_iterable(words)))
        has_cgroup = len(cgroup) == LONG.size
        cgroups = chain.from_iterable(_unpack(holders, (cgroup.start, "Q"))) if has_cgroup else repeat(0)
        yield from zip(_ports_of(holders), cgroups, _unpack(holders, (memory, _MEMORY)), strict=False)


def _align(block: Block, places: Places | None, kind: int, size: int) -> Iterator[tuple[Block, Places]]:
    """Yield messages that have an attribute of some size, and where all of a block have theirs."""
    if places is None:
        singly = ((Block(each, block.length), places_of(each)) for each in block.messages())
        yield from ((each, at) for each, at in singly if len(at.get(kind, ())) >= size)
    elif len(places.get(kind, ())) >= size:
        yield block, places


def _may_reach(block: Block, place: int, number: int) -> int:
    """Return a byte for each message: 1 if the upper half of its word at a place allows that number, else 0.

    The bytes are the digits of one integer.
    """
    highest, high = (block.data[place + i :: block.length] for i in _UPPER_BYTES)
    most, more = divmod(number >> 16, 256)  # most is above 255 if no word is so large
    above, equal = (int.from_bytes(highest.translate(at_least(least))) for least in (most + 1, most))
    return above | equal & int.from_bytes(high.translate(at_least(more)))


@lru_cache(maxsize=64)
def at_least(number: int) -> bytes:
    """Return what translates a byte to 1 if it is at least this number, else to 0."""
    return bytes(each >= number for each in range(256))


def _ports_of(block: Block) -> Iterator[tuple[int, int]]:
    return iter_unpack(f"{PORTS.format}{block.length - PORTS.size}x", block.data)


def _unpack(block: Block, *fields: tuple[int, str]) -> Iterator[tuple[int, ...]]:
    """Yield some fields of every message, given by their places, in this order, and formats."""
    return _lay_out(fields, block.length).iter_unpack(block.data)


@lru_cache(maxsize=32)
def _lay_out(fields: tuple[tuple[int, str], ...], length: int) -> Struct:
    layout, end = "=", 0
    for place, form in fields:
        layout += f"{place - end}x{form}"
        end = place + Struct(f"={form}").size
    return Struct(f"{layout}{length - end}x")
