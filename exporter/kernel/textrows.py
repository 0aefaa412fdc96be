"""Hold the rows of one block of the text of an inet table; ``procnet`` has the rules of the text."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, compress
from struct import Struct, iter_unpack
from typing import Final

from exporter.kernel import states
from exporter.kernel.rows import (
    ADDRESS_BYTES,
    COUNTING_TIMERS,
    TIMER_RETRANSMIT,
    Dropping,
    Endpoints,
    Listener,
    Origin,
    Queues,
    Row,
    Tracked,
    Trying,
    count_minisockets,
    find_places,
    identify,
)

_QUEUE_BITS: Final = 32
_WORD_BYTES: Final = 4
_MILLISECONDS_PER_TICK: Final = 10  # USER_HZ is 100 wherever Linux runs
# Behind tr: when, retrnsmt, uid, timeout, inode. Probes are counted in timeout, retransmits in retrnsmt, see
# get_tcp4_sock. Netlink has the number that belongs to the timer.
_RETRANSMITS_WORD: Final = 1
_PROBES_WORD: Final = 3
_INODE_WORD: Final = 4
# How a 0 in them is printed, unless the uid is very long. It is faster to compare than to find words.
_NO_RETRANSMITS: Final = slice(9, 19), b" 00000000 "
_NO_PROBES: Final = slice(24, 34), b"        0 "
_COUNTS_TRIES: Final = bytes(timer in COUNTING_TIMERS for timer in range(256))
_NOT_LISTEN: Final = bytes(code != states.LISTEN for code in range(256))
_HEX: Final = re.compile(rb":([0-9A-Fa-f]{1,16})")
_HEX_WORD: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")
_DECIMAL: Final = re.compile(rb"[0-9]{1,20}")

_DROPPING: Final = re.compile(
    rb"^ *[0-9]+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]{2} [0-9A-F:]+ [0-9A-F:]+ [0-9A-F]+"
    rb" +[0-9]+ +[0-9]+ ([0-9]{1,20}) [0-9]+ \S+ ([1-9][0-9]{0,19}) *$",
    re.MULTILINE,
)


class Layout:
    """Where the fields of a decoded row are: addresses, ports, state, both queues, timer."""

    def __init__(self, address_bytes: int) -> None:
        self.address_bytes = address_bytes
        self.size = 2 * (address_bytes + 2) + 10
        self.state_at = self.size - 10
        self.timer_at = self.size - 1
        behind = self.state_at - address_bytes - 2
        self.endpoints = f">{address_bytes}sH{address_bytes}sHB{self.size - self.state_at - 1}x"
        # The state goes before all else, where no row has anything that is unpacked: first byte of an
        # address.
        self.row = Struct(f">B{address_bytes - 1}xH{behind - 2}xHxQx")
        self.ports = Struct(f">{address_bytes}xH{address_bytes}xH10x")
        words, padding = address_bytes // _WORD_BYTES, ADDRESS_BYTES - address_bytes
        self.addresses = Struct(f"={words}I2x{words}I")  # printed in words of the machine's byte order
        self.ends = Struct(f">HH{words}I{padding}x{words}I{padding}x")


class TextRows:
    """The rows of a block, decoded; the text behind the fields is read for few rows only.

    ``get_rest`` returns that text of the row of ``data`` at a place.
    """

    def __init__(  # noqa: PLR0913 - the four numbers are what a block is counted by
        self,
        layout: Layout,
        data: bytes,
        get_rest: Callable[[int], bytes],
        block: bytes,
        *,
        listed: int,
        malformed: int,
        repeated: int,
    ) -> None:
        self.listed, self.malformed, self.repeated = listed, malformed, repeated
        self.listeners: Sequence[Listener] = ()
        self._layout, self._data, self._block, self._get_rest = layout, data, block, get_rest
        if states.LISTEN in data[layout.state_at :: layout.size]:
            self._set_listeners_apart()
        self.states = self._data[layout.state_at :: layout.size]
        timers = self._data[layout.timer_at :: layout.size]
        self.minisockets = count_minisockets(self.states, timers) - self._count_fast_open()

    def unpack(self) -> Iterable[Row]:
        """Return all rows but the listeners."""
        data = bytearray(self._data)
        data[:: self._layout.size] = self.states
        return self._layout.row.iter_unpack(data)

    @staticmethod
    def split_queues(queues: int) -> Queues:
        """Return the two queues that are one number in a row."""
        return Queues(queues >> _QUEUE_BITS, queues & ((1 << _QUEUE_BITS) - 1))

    def tracked(self, places: Iterable[int]) -> Iterator[Tracked]:
        """Return ports and identity of the sockets at some places."""
        layout, data = self._layout, self._data
        for place in places:
            start = place * layout.size
            ports = layout.ports.unpack_from(data, start)
            addresses = layout.addresses.unpack_from(data, start)
            yield (*ports, identify(layout.ends.pack(*ports, *addresses)))

    def origins(self, places: Iterable[int]) -> Iterator[Origin]:
        """Return who is behind the sockets at some places."""
        for place in places:
            start = place * self._layout.size
            local_port, _ = self._layout.ports.unpack_from(self._data, start)
            address = self._data[start : start + self._layout.address_bytes]
            yield Origin(local_port, order_address(address), read_inode(self._get_rest(place)), 0)

    def endpoints(self) -> Iterable[Endpoints]:
        """Return for every row its state, ports and addresses."""
        columns = iter_unpack(self._layout.endpoints, self._data)
        return (
            (state, local, remote, source, destination)
            for source, local, destination, remote, state in columns
        )

    @staticmethod
    def order_address(address: bytes) -> bytes:
        """Return an address of ``endpoints`` in network order."""
        return order_address(address)

    def expires_milliseconds(self, place: int) -> int:
        """Return after how long the timer of the row at a place will fire."""
        found = _HEX.match(self._get_rest(place))
        return int(found[1], 16) * _MILLISECONDS_PER_TICK if found else 0

    def dropping(self) -> Iterator[Dropping]:
        """Return the datagram sockets that have dropped."""
        for local, remote, inode, drops in _DROPPING.findall(self._block):
            yield Dropping(int(local, 16), int(remote, 16), int(inode), 0, int(drops))

    def trying(self, tries: int) -> Iterator[Trying]:
        """Return the TCP sockets that have sent the same so often or more often, without an answer."""
        layout, data = self._layout, self._data
        timers = data[layout.timer_at :: layout.size]
        for place in compress(range(len(timers)), timers.translate(_COUNTS_TRIES)):
            timer, rest = timers[place], self._get_rest(place)
            column, zero = _NO_RETRANSMITS if timer == TIMER_RETRANSMIT else _NO_PROBES
            if rest[column] != zero and read_tries(rest, timer) >= tries:
                local_port, remote_port = layout.ports.unpack_from(data, place * layout.size)
                yield local_port, remote_port, self.states[place], timer

    def _set_listeners_apart(self) -> None:
        size = self._layout.size
        codes = self._data[self._layout.state_at :: size]
        places = find_places(codes, states.LISTEN)
        origins = self.origins(places)
        waiting = (self.split_queues(self._queues(place)).receive for place in places)
        self.listeners = [
            Listener(origin.local_port, origin.local_address, length, None, origin.inode, 0)
            for origin, length in zip(origins, waiting, strict=True)
        ]
        kept = codes.translate(_NOT_LISTEN)
        rests = [self._get_rest(place) for place in compress(range(len(codes)), kept)]
        self._get_rest = rests.__getitem__
        rows = iter_unpack(f"{size}s", self._data)
        self._data = b"".join(chain.from_iterable(compress(rows, kept)))

    def _queues(self, place: int) -> int:
        start = place * self._layout.size + self._layout.state_at + 1
        return int.from_bytes(self._data[start : start + 2 * _WORD_BYTES])

    def _count_fast_open(self) -> int:
        """Return how many sockets in SYN_RECV are no minisockets: those of TCP Fast Open have an inode."""
        places = find_places(self.states, states.SYN_RECV)
        return sum(read_inode(self._get_rest(place)) != 0 for place in places)


def read_inode(rest: bytes) -> int:
    """Return the inode from what follows ``tr`` in a row, 0 where there is none."""
    words = rest.split(None, _INODE_WORD + 1)
    has_one = len(words) > _INODE_WORD and _DECIMAL.fullmatch(words[_INODE_WORD])
    return int(words[_INODE_WORD]) if has_one else 0


def read_tries(rest: bytes, timer: int) -> int:
    """Return how often the same was sent, from what follows ``tr`` in a row, 0 where it is not there."""
    words = rest.split(None, _PROBES_WORD + 1)
    place = _RETRANSMITS_WORD if timer == TIMER_RETRANSMIT else _PROBES_WORD
    if len(words) <= place:
        return 0
    if timer == TIMER_RETRANSMIT:
        return int(words[place], 16) if _HEX_WORD.fullmatch(words[place]) else 0
    return int(words[place]) if _DECIMAL.fullmatch(words[place]) else 0


@lru_cache(1024)
def order_address(words: bytes) -> bytes:
    """Return an address in network order, that was printed in words of the machine's byte order."""
    if sys.byteorder == "little":
        starts = range(0, len(words), _WORD_BYTES)
        words = b"".join(words[start : start + _WORD_BYTES][::-1] for start in starts)
    return words.ljust(ADDRESS_BYTES, b"\0")
