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

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, compress, repeat
from struct import Struct, iter_unpack
from typing import Final

from exporter.kernel import states
from exporter.kernel.attributes import place_alike, place_attributes
from exporter.kernel.netlink import HEADER_BYTES, Block
from exporter.kernel.rows import (
    COUNTING_TIMERS,
    Dropping,
    Listener,
    Origin,
    Queues,
    Row,
    Silences,
    Tracked,
    Trying,
    count_minisockets,
    identify,
    rename_unknown,
)
from exporter.kernel.tables import Table

MESSAGE_BYTES: Final = HEADER_BYTES + 72
_FAMILY: Final = 16
_STATE: Final = 17
TIMER: Final = 18
_RETRANSMITS: Final = 19  # of what the timer is for
_ROW: Final = ">17xB2xHH48xQ"  # both queues at once: 0 if both are empty
_ROW_BYTES: Final = 80
_PORTS: Final = Struct(">20xHH")
_COOKIE: Final = Struct("=60xQ")  # on a big-endian machine its halves are swapped, which is as unique
_DESTINATION: Final = range(24, 56)
_ENDS: Final = range(20, 56)  # both ports and both addresses
_ENDS_PORTS: Final = Struct(">HH32x")
_TRYING: Final = Struct(">17xBBxHH")  # state, timer, ports
_EXPIRES: Final = Struct("=68xI")
_QUEUES: Final = Struct("=II")
_LISTENER: Final = "=60xQ4xII4xI"  # cookie, connections waiting, their limit, inode
_ORIGIN_ROW: Final = ">20xH2x16s"
_ORIGIN: Final = Struct(_ORIGIN_ROW)
_INODE: Final = Struct("=84xI")
_INODE_COLUMNS: Final = range(84, 88)

INFO: Final = 2
_LAST_ACK_RECEIVED: Final = 8 + 12 * 4  # tcpi_last_ack_recv, in milliseconds, in struct tcp_info
SKMEMINFO: Final = 7
_DROPS: Final = 4 * 8  # SK_MEMINFO_DROPS, in the payload of SKMEMINFO
CGROUP_ID: Final = 21
_WORD: Final = Struct("=I")
_LONG: Final = Struct("=Q")


def select_family(block: Block, family: int) -> Block | None:
    """Return the messages of one address family, None when there are none."""
    data, length = block
    families = data[_FAMILY::length]
    if family not in families:
        return None
    if families.count(family) == len(families):
        return block
    starts = range(0, len(data), length)
    messages = (data[i : i + length] for i, each in zip(starts, families, strict=True) if each == family)
    return Block(b"".join(messages), length)


def read_listeners(block: Block) -> Iterator[Listener]:
    """Yield the listeners of a block in which all sockets listen."""
    places = place_alike(block.data, block.length, MESSAGE_BYTES)
    if places is not None:
        yield from _unpack_listeners(block, places)
        return
    for message in block.messages():
        yield from _unpack_listeners(Block(message, len(message)), _places_of(message))


def read_origins(block: Block) -> Iterator[Origin]:
    """Yield who is behind the sockets of a block."""
    for message in block.messages():
        port, address = _ORIGIN.unpack_from(message)
        (inode,) = _INODE.unpack_from(message)
        yield Origin(port, address, inode, _cgroup_id_of(message))


def add_silences(block: Block, silences: Silences) -> None:
    """Add the sockets of a block, for which TCP_INFO was asked."""
    for message in block.messages():
        place = _places_of(message).get(INFO, range(0))
        if len(place) >= _LAST_ACK_RECEIVED + _WORD.size:
            (milliseconds,) = _WORD.unpack_from(message, place.start + _LAST_ACK_RECEIVED)
            silences.identities.append(identify(message[_ENDS.start : _ENDS.stop]))
            silences.states.append(message[_STATE])
            silences.milliseconds.append(milliseconds)


class DiagRows:
    """The rows of a block of one inet table, none of which listens; see ``rows.InetRows``."""

    malformed = 0
    repeated = 0
    listeners: Sequence[Listener] = ()

    def __init__(self, table: Table, block: Block) -> None:
        self._length = block.length
        self._data = rename_unknown(block.data, _STATE, block.length, table.states)
        self.states = codes = self._data[_STATE :: block.length]
        self.listed = len(codes)
        self.minisockets = count_minisockets(codes, self._data[TIMER :: self._length]) - self._fast_open()

    def unpack(self) -> Iterable[Row]:
        """Return all rows."""
        return _row_of(self._length).iter_unpack(self._data)

    @staticmethod
    @lru_cache(1024)
    def split_queues(queues: int) -> Queues:
        """Return the two queues that are one number in a row."""
        receive, send = _QUEUES.unpack(queues.to_bytes(_QUEUES.size, "big"))
        return Queues(send, receive)

    def tracked(self, places: Iterable[int]) -> Iterator[Tracked]:
        """Return ports and identity of the sockets at some places."""
        data, length = self._data, self._length
        starts = (place * length for place in places)
        ends = [data[start + _ENDS.start : start + _ENDS.stop] for start in starts]
        ports = _ENDS_PORTS.iter_unpack(b"".join(ends))
        return ((local, remote, identify(each)) for (local, remote), each in zip(ports, ends, strict=True))

    def origins(self, places: Iterable[int]) -> Iterator[Origin]:
        """Return who is behind the sockets at some places."""
        data, length = self._data, self._length
        starts = (place * length for place in places)
        return read_origins(Block(b"".join(data[start : start + length] for start in starts), length))

    def destinations(self) -> Iterable[bytes]:
        """Return for every row its source and destination address, as bytes to be compared, not shown."""
        behind = self._length - _DESTINATION.stop
        columns = f"{_DESTINATION.start}x{len(_DESTINATION)}s{behind}x"
        return chain.from_iterable(iter_unpack(columns, self._data))

    @staticmethod
    def order_address(address: bytes) -> bytes:
        """Return an address of a destination in network order, as it is."""
        return address

    def expires_milliseconds(self, place: int) -> int:
        """Return after how long the timer of the row at a place will fire."""
        return int(_EXPIRES.unpack_from(self._data, place * self._length)[0])

    def dropping(self) -> Iterator[Dropping]:
        """Return the datagram sockets that have dropped; for SKMEMINFO must have been asked."""
        for message in self._messages_with_drops():
            if (place := _place_drops(_places_of(message))) and (
                drops := _WORD.unpack_from(message, place)[0]
            ):
                (cookie,) = _COOKIE.unpack_from(message)
                (inode,) = _INODE.unpack_from(message)
                local_port, remote_port = _PORTS.unpack_from(message)
                yield Dropping(local_port, remote_port, inode, cookie, drops)

    def trying(self, tries: int) -> Iterator[Trying]:
        """Return the TCP sockets that have sent the same so often or more often, without an answer."""
        data, length = self._data, self._length
        reached = data[_RETRANSMITS::length].translate(_at_least(tries))
        if 1 in reached:
            for start in compress(range(0, len(data), length), reached):
                state, timer, local_port, remote_port = _TRYING.unpack_from(data, start)
                if timer in COUNTING_TIMERS:
                    yield local_port, remote_port, state, timer

    def _messages_with_drops(self) -> Iterator[bytes]:
        """Yield the messages that may have drops: all of them where they differ in their attributes."""
        data, length = self._data, self._length
        if not (place := _place_drops(place_alike(data, length, MESSAGE_BYTES) or {})):
            return Block(data, length).messages()
        columns = [int.from_bytes(data[place + i :: length]) for i in range(_WORD.size)]
        dropped = (columns[0] | columns[1] | columns[2] | columns[3]).to_bytes(self.listed)
        return compress(Block(data, length).messages(), dropped) if any(dropped) else iter(())

    def _fast_open(self) -> int:
        """Return how many sockets in SYN_RECV are no minisockets: those of TCP Fast Open have an inode."""
        if states.SYN_RECV not in self.states:
            return 0
        inodes = zip(*(self._data[column :: self._length] for column in _INODE_COLUMNS), strict=True)
        pairs = zip(self.states, inodes, strict=True)
        return sum(code == states.SYN_RECV and any(inode) for code, inode in pairs)


@lru_cache(maxsize=16)
def _row_of(length: int) -> Struct:
    return Struct(f"{_ROW}{length - _ROW_BYTES}x")


@lru_cache(maxsize=16)
def _at_least(number: int) -> bytes:
    return bytes(each >= number for each in range(256))


def _places_of(message: bytes) -> Mapping[int, range]:
    return place_attributes(message, MESSAGE_BYTES)


def _unpack_listeners(block: Block, places: Mapping[int, range]) -> Iterator[Listener]:
    data, length = block
    drops: Iterator[int | None] = _unpack_attribute(block, _place_drops(places), _WORD) or repeat(None)
    rows = zip(
        iter_unpack(f"{_ORIGIN_ROW}{length - _ORIGIN.size}x", data),
        iter_unpack(f"{_LISTENER}{length - MESSAGE_BYTES}x", data),
        _unpack_attribute(block, _place_cgroup_id(places), _LONG) or repeat(0),
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
    place = _place_cgroup_id(_places_of(message))
    return int(_LONG.unpack_from(message, place)[0]) if place else 0


def _place_cgroup_id(places: Mapping[int, range]) -> int:
    """Return where in a message the id of the cgroup stands, 0 when it does not have it."""
    payload = places.get(CGROUP_ID, range(0))
    return payload.start if len(payload) == _LONG.size else 0


def _place_drops(places: Mapping[int, range]) -> int:
    """Return where in a message the drops stand, 0 when it does not have them."""
    payload = places.get(SKMEMINFO, range(0))
    return payload.start + _DROPS if len(payload) >= _DROPS + _WORD.size else 0
