"""Hold the rows of one block of inet_diag messages; ``inet_diag`` has the layout of a message."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import chain, compress
from struct import Struct, iter_unpack

from exporter.kernel import states
from exporter.kernel.attributes import place_alike
from exporter.kernel.inet_details import Idle, Memory, Places, at_least, read_idle, read_memory
from exporter.kernel.inet_diag import (
    COOKIE,
    ENDPOINTS_ROW,
    ENDS,
    ENDS_PORTS,
    EXPIRES,
    INODE,
    INODE_COLUMNS,
    MESSAGE_BYTES,
    PORTS,
    QUEUES,
    RETRANSMITS,
    ROW,
    ROW_BYTES,
    STATE,
    TIMER,
    TRYING,
    WORD,
    place_drops,
    places_of,
    read_origins,
)
from exporter.kernel.netlink import Block
from exporter.kernel.rows import (
    COUNTING_TIMERS,
    Dropping,
    Endpoints,
    Listener,
    Origin,
    Queues,
    Row,
    Tracked,
    Trying,
    count_minisockets,
    identify,
    rename_unknown,
)
from exporter.kernel.tables import Table


class DiagRows:
    """The rows of a block of one inet table, none of which listens; see ``rows.InetRows``."""

    malformed = 0
    repeated = 0
    listeners: Sequence[Listener] = ()

    def __init__(self, table: Table, block: Block) -> None:
        self._length = block.length
        self._data = rename_unknown(block.data, STATE, block.length, table.states)
        self.states = codes = self._data[STATE :: block.length]
        self.listed = len(codes)
        self.minisockets = count_minisockets(codes, self._data[TIMER :: self._length]) - self._fast_open()

    def unpack(self) -> Iterable[Row]:
        """Return all rows."""
        return _row_of(self._length).iter_unpack(self._data)

    @staticmethod
    @lru_cache(1024)
    def split_queues(queues: int) -> Queues:
        """Return the two queues that are one number in a row."""
        receive, send = QUEUES.unpack(queues.to_bytes(QUEUES.size, "big"))
        return Queues(send, receive)

    def tracked(self, places: Iterable[int]) -> Iterator[Tracked]:
        """Return ports and identity of the sockets at some places."""
        data, length = self._data, self._length
        first, last = ENDS.start, ENDS.stop
        ends = [data[start + first : start + last] for start in [place * length for place in places]]
        ports = chain.from_iterable(ENDS_PORTS.iter_unpack(b"".join(ends)))
        return zip(ports, ports, map(identify, ends), strict=True)  # a local port, then a remote one

    def origins(self, places: Iterable[int]) -> Iterator[Origin]:
        """Return who is behind the sockets at some places."""
        data, length = self._data, self._length
        starts = (place * length for place in places)
        return read_origins(Block(b"".join(data[start : start + length] for start in starts), length))

    def endpoints(self) -> Iterable[Endpoints]:
        """Return for every row its state, ports and addresses."""
        return iter_unpack(f"{ENDPOINTS_ROW}{self._length - ENDS.stop}x", self._data)

    @staticmethod
    def order_address(address: bytes) -> bytes:
        """Return an address of ``endpoints`` in network order, as it is."""
        return address

    def expires_milliseconds(self, place: int) -> int:
        """Return after how long the timer of the row at a place will fire."""
        return int(EXPIRES.unpack_from(self._data, place * self._length)[0])

    def dropping(self) -> Iterator[Dropping]:
        """Return the datagram sockets that have dropped; for SKMEMINFO must have been asked."""
        for message in self._messages_with_drops():
            if (place := place_drops(places_of(message))) and (drops := WORD.unpack_from(message, place)[0]):
                (cookie,) = COOKIE.unpack_from(message)
                (inode,) = INODE.unpack_from(message)
                local_port, remote_port = PORTS.unpack_from(message)
                yield Dropping(local_port, remote_port, inode, cookie, drops)

    def trying(self, tries: int) -> Iterator[Trying]:
        """Return the TCP sockets that have sent the same so often or more often, without an answer."""
        data, length = self._data, self._length
        reached = data[RETRANSMITS::length].translate(at_least(tries))
        if 1 in reached:
            for start in compress(range(0, len(data), length), reached):
                state, timer, local_port, remote_port = TRYING.unpack_from(data, start)
                if timer in COUNTING_TIMERS:
                    yield local_port, remote_port, state, timer

    def idle(self, at_least_milliseconds: int) -> Iterator[Idle]:
        """Return the established connections without data for so long, if DATA_TIMES were asked for."""
        return read_idle(Block(self._data, self._length), self._places, at_least_milliseconds)

    def memory(self) -> Iterator[Memory]:
        """Return the sockets that hold memory, if MEMORY was asked for."""
        return read_memory(Block(self._data, self._length), self._places)

    @cached_property
    def _places(self) -> Places | None:
        """Where the payload of each attribute is in every message, None if they differ."""
        return place_alike(self._data, self._length, MESSAGE_BYTES)

    def _messages_with_drops(self) -> Iterator[bytes]:
        """Yield the messages that may have drops: all of them where they differ in their attributes."""
        block = Block(self._data, self._length)
        if place := place_drops(self._places or {}):
            block = block.select(block.flag_nonzero(range(place, place + WORD.size)))
        return block.messages()

    def _fast_open(self) -> int:
        """Return how many sockets in SYN_RECV are no minisockets: those of TCP Fast Open have an inode."""
        if states.SYN_RECV not in self.states:
            return 0
        inodes = zip(*(self._data[column :: self._length] for column in INODE_COLUMNS), strict=True)
        pairs = zip(self.states, inodes, strict=True)
        return sum(code == states.SYN_RECV and any(inode) for code, inode in pairs)


@lru_cache(maxsize=16)
def _row_of(length: int) -> Struct:
    return Struct(f"{ROW}{length - ROW_BYTES}x")
