"""Lay out the messages of inet_diag that the kernel sends: every offset that is read stands here.

A message, as the kernel sent it for a connection in CLOSE_WAIT (16 bytes of netlink header before it)::

    16  0a 08 00 00              family, state, timer, retransmits
    20  1f 90 c3 50              local and remote port, in network order
    24  16 bytes, 16 bytes       local and remote address, in network order
    56  00 00 00 00              interface
    60  05 10 00 00 00 00 00 00  cookie, its lower half first whatever the machine's byte order
    68  00 00 00 00              milliseconds until the timer fires
    72  01 00 00 00 00 00 00 00  receive queue, send queue
    80  00 00 00 00 2a 5f 00 00  uid, inode
    88  05 00 08 00 01 00 00 00  attributes: length, type, payload, padded to 4 bytes

Messages of one block have one length. A column of them is a slice with a stride, so what few rows have costs
nothing per row.

Source: include/uapi/linux/inet_diag.h, ``inet_diag_msg_attrs_fill`` in net/ipv4/inet_diag.c.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain, repeat
from struct import Struct, iter_unpack
from typing import Final

from exporter.kernel.attributes import place_alike, place_attributes
from exporter.kernel.netlink import HEADER_BYTES, Block
from exporter.kernel.rows import (
    Listener,
    Origin,
    Silences,
    identify,
)

MESSAGE_BYTES: Final = HEADER_BYTES + 72
FAMILY: Final = 16
STATE: Final = 17
TIMER: Final = 18
RETRANSMITS: Final = 19  # of what the timer is for
ROW: Final = ">17xB2xHH48xQ"  # both queues at once: 0 if both are empty
ROW_BYTES: Final = 80
PORTS: Final = Struct(">20xHH")
COOKIE: Final = Struct("=60xQ")  # on a big-endian machine its halves are swapped, which is as unique
ENDS: Final = range(20, 56)  # both ports and both addresses
ENDPOINTS_ROW: Final = ">17xB2xHH16s16s"  # state, both ports, both addresses
ENDS_PORTS: Final = Struct(">HH32x")
TRYING: Final = Struct(">17xBBxHH")  # state, timer, ports
EXPIRES: Final = Struct("=68xI")
QUEUES: Final = Struct("=II")
_LISTENER: Final = "=60xQ4xII4xI"  # cookie, connections waiting, their limit, inode
_ORIGIN_ROW: Final = ">20xH2x16s"
_ORIGIN: Final = Struct(_ORIGIN_ROW)
INODE: Final = Struct("=84xI")
INODE_COLUMNS: Final = range(84, 88)

INFO: Final = 2
_LAST_ACK_RECEIVED: Final = 8 + 12 * 4  # tcpi_last_ack_recv, in milliseconds, in struct tcp_info
SKMEMINFO: Final = 7
_DROPS: Final = 4 * 8  # SK_MEMINFO_DROPS, in the payload of SKMEMINFO
CGROUP_ID: Final = 21
WORD: Final = Struct("=I")
LONG: Final = Struct("=Q")


def divide_families(block: Block) -> Iterator[tuple[int, Block]]:
    """Yield the address families of a block, each with its messages."""
    families = block.data[FAMILY :: block.length]
    if families.count(families[0]) == len(families):
        yield families[0], block
        return
    for family in sorted(set(families)):
        yield family, block.select(families.translate(_equal_to(family)))


@lru_cache(maxsize=4)
def _equal_to(number: int) -> bytes:
    """Return what translates a byte to 1 if it is this number, else to 0."""
    return bytes(each == number for each in range(256))


def read_listeners(block: Block) -> Iterator[Listener]:
    """Yield the listeners of a block in which all sockets listen."""
    places = place_alike(block.data, block.length, MESSAGE_BYTES)
    if places is not None:
        yield from _unpack_listeners(block, places)
        return
    for message in block.messages():
        yield from _unpack_listeners(Block(message, len(message)), places_of(message))


def read_origins(block: Block) -> Iterator[Origin]:
    """Yield who is behind the sockets of a block."""
    for message in block.messages():
        port, address = _ORIGIN.unpack_from(message)
        (inode,) = INODE.unpack_from(message)
        yield Origin(port, address, inode, _cgroup_id_of(message))


def add_silences(block: Block, silences: Silences) -> None:
    """Add the sockets of a block, for which TCP_INFO was asked."""
    for message in block.messages():
        place = places_of(message).get(INFO, range(0))
        if len(place) >= _LAST_ACK_RECEIVED + WORD.size:
            (milliseconds,) = WORD.unpack_from(message, place.start + _LAST_ACK_RECEIVED)
            silences.identities.append(identify(message[ENDS.start : ENDS.stop]))
            silences.states.append(message[STATE])
            silences.milliseconds.append(milliseconds)


def places_of(message: bytes) -> Mapping[int, range]:
    """Return where the payload of each attribute of a message is, by type."""
    return place_attributes(message, MESSAGE_BYTES)


def _unpack_listeners(block: Block, places: Mapping[int, range]) -> Iterator[Listener]:
    data, length = block
    drops: Iterator[int | None] = _unpack_attribute(block, place_drops(places), WORD) or repeat(None)
    rows = zip(
        iter_unpack(f"{_ORIGIN_ROW}{length - _ORIGIN.size}x", data),
        iter_unpack(f"{_LISTENER}{length - MESSAGE_BYTES}x", data),
        _unpack_attribute(block, _place_cgroup_id(places), LONG) or repeat(0),
        drops,
        strict=False,  # repeat() has no end
    )
    for (port, address), (cookie, waiting, limit, inode), cgroup_id, dropped in rows:
        yield Listener(port, address, waiting, limit, inode, cgroup_id, cookie, dropped)


def _unpack_attribute(block: Block, place: int, number: Struct) -> Iterator[int] | None:
    """Return the number at a place of every message, None where there is no such place."""
    row = f"={place}x{number.format[1:]}{block.length - place - number.size}x"
    return chain.from_iterable(iter_unpack(row, block.data)) if place else None


def _cgroup_id_of(message: bytes) -> int:
    place = _place_cgroup_id(places_of(message))
    return int(LONG.unpack_from(message, place)[0]) if place else 0


def _place_cgroup_id(places: Mapping[int, range]) -> int:
    """Return where in a message the id of the cgroup stands, 0 when it does not have it."""
    payload = places.get(CGROUP_ID, range(0))
    return payload.start if len(payload) == LONG.size else 0


def place_drops(places: Mapping[int, range]) -> int:
    """Return where in a message the drops stand, 0 when it does not have them."""
    payload = places.get(SKMEMINFO, range(0))
    return payload.start + _DROPS if len(payload) >= _DROPS + WORD.size else 0
