"""Read what tables do not say: which of TCP's sockets are idle, what memory they hold, and how they ended.

Messages of one block have one length, and nearly always the same attributes at the same places. Then the
numbers of all messages are unpacked in C. Where they differ, each message is a block of its own.

Source: ``struct tcp_info`` in include/uapi/linux/tcp.h, ``tcp_get_info`` and ``tcp_disconnect`` in
net/ipv4/tcp.c; ``SK_MEMINFO_*`` in include/uapi/linux/sock_diag.h, ``sk_get_meminfo`` in net/core/sock.c.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import compress, repeat
from struct import Struct
from typing import Final

from exporter.kernel.attributes import place_alike, place_attributes
from exporter.kernel.inet_diag import CGROUP_ID, INFO, MESSAGE_BYTES, SKMEMINFO, TIMER
from exporter.kernel.netlink import Block
from exporter.kernel.rows import TIMER_KEEPALIVE

_PORTS: Final = Struct(">20xHH")
_DATA_SENT: Final = 8 + 9 * 4  # tcpi_last_data_sent, in milliseconds; two words further tcpi_last_data_recv
_INFO_BYTES: Final = _DATA_SENT + 3 * 4
_MEMORY_BYTES: Final = 8 * 4  # SK_MEMINFO_RMEM_ALLOC to SK_MEMINFO_BACKLOG
_CGROUP_BYTES: Final = 8
_FAMILY: Final = 16
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
    for alike, places in _align(block, INFO, CLOSED_INFO_BYTES):
        info = places[INFO].start
        numbers = _unpack(
            alike,
            (_FAMILY, "B"),
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


def read_idle(block: Block, at_least_milliseconds: int) -> Iterator[Idle]:
    """Yield the sockets without data for so long, of those for which TCP_INFO was asked.

    A socket that waits for its peer, with data or a probe of the window, is not idle. The kernel counts
    milliseconds in 32 bits, so after 49 days a socket begins again.
    """
    for alike, places in _align(block, INFO, _INFO_BYTES):
        times = _unpack(alike, (TIMER, "B"), (places[INFO].start + _DATA_SENT, "I4xI"))
        are_idle = [
            sent >= at_least_milliseconds <= received and timer in {0, TIMER_KEEPALIVE}
            for timer, sent, received in times
        ]
        if any(are_idle):
            timers = compress(alike.data[TIMER :: alike.length], are_idle)
            for ports, timer in zip(compress(_ports_of(alike), are_idle), timers, strict=True):
                yield (*ports, timer == TIMER_KEEPALIVE)


def read_memory(block: Block) -> Iterator[Memory]:
    """Yield the sockets that hold memory, of those for which SKMEMINFO was asked."""
    for alike, places in _align(block, SKMEMINFO, _MEMORY_BYTES):
        numbers = list(_unpack(alike, (places[SKMEMINFO].start, "I12xiI4xI")))
        holding = list(map(any, numbers))
        if any(holding):
            found = zip(_ports_of(alike), _cgroups_of(alike, places), numbers, strict=False)  # repeat()
            yield from compress(found, holding)


def _align(block: Block, kind: int, size: int) -> Iterator[tuple[Block, Mapping[int, range]]]:
    """Yield messages that have an attribute of some size, and where all of a block have theirs."""
    alike = place_alike(block.data, block.length, MESSAGE_BYTES)
    blocks = [block] if alike is not None else (Block(each, block.length) for each in block.messages())
    for each in blocks:
        places = place_attributes(each.data, MESSAGE_BYTES) if alike is None else alike
        if len(places.get(kind, ())) >= size:
            yield each, places


def _cgroups_of(block: Block, places: Mapping[int, range]) -> Iterator[int]:
    """Yield the cgroup of every message."""
    place = places.get(CGROUP_ID, range(0))
    if len(place) != _CGROUP_BYTES:
        return repeat(0)
    return (cgroup_id for (cgroup_id,) in _unpack(block, (place.start, "Q")))


def _ports_of(block: Block) -> Iterator[tuple[int, int]]:
    behind = block.length - _PORTS.size
    return Struct(f"{_PORTS.format}{behind}x").iter_unpack(block.data)


def _unpack(block: Block, *fields: tuple[int, str]) -> Iterator[tuple[int, ...]]:
    """Yield some fields of every message, which are given by their places and formats."""
    layout, end = "=", 0
    for place, form in fields:
        layout += f"{place - end}x{form}"
        end = place + Struct(f"={form}").size
    return Struct(f"{layout}{block.length - end}x").iter_unpack(block.data)
