"""Read what is asked for apart from the tables: which of TCP's sockets are idle, and the memory they hold.

Messages of one block have one length, and nearly always the same attributes at the same places. Then the
numbers of all messages are unpacked in C. Where they differ, each message is a block of its own.

Source: ``struct tcp_info`` in include/uapi/linux/tcp.h, ``tcp_get_info`` in net/ipv4/tcp.c;
``SK_MEMINFO_*`` in include/uapi/linux/sock_diag.h, ``sk_get_meminfo`` in net/core/sock.c.
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

Idle = tuple[int, int, bool]
"""Local port, remote port, and whether keepalive probes will be sent."""


Memory = tuple[tuple[int, int], int, Sequence[int]]
"""Local and remote port, the cgroup that made the socket, 0 where it is not known, and the bytes it holds.

These are, in the order of KINDS, the buffers of received data with all that belongs to them, what is reserved
and not used, the buffers of data to be sent, and segments that came while a program used the socket. What is
reserved may be below 0 for a moment.
"""
KINDS: Final = ("receive", "forward_allocated", "send", "backlog")


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
