"""Define the rows of a socket table, in one shape for both sources.

A table of any size is read in blocks of consecutive rows. State, ports and queues of every row are unpacked
in C. A whole socket is decoded only for rows that were selected by their place in the block.
"""

from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from itertools import repeat
from typing import Final, NamedTuple, Protocol

from exporter.kernel import states

ADDRESS_BYTES: Final = 16
ANY_ADDRESS: Final = bytes(ADDRESS_BYTES)
MAPPED_PREFIX: Final = bytes.fromhex("00000000 00000000 0000ffff")
"""What an address of IPv4 begins with in a table of IPv6."""
_IDENTITY: Final = (1 << 56) - 1
TIMER_RETRANSMIT: Final = 1
TIMER_KEEPALIVE: Final = 2
TIMER_TIME_WAIT: Final = 3
"""The timer of every time-wait minisocket."""
TIMER_WINDOW_PROBE: Final = 4
COUNTING_TIMERS: Final = frozenset({TIMER_RETRANSMIT, TIMER_KEEPALIVE, TIMER_WINDOW_PROBE})
"""The timers with which the kernel counts how often it has sent the same."""

# Translate a column of bytes to 1 where it has the value, 0 elsewhere.
_IS_FIN_WAIT2: Final = bytes(code == states.FIN_WAIT2 for code in range(256))
_IS_TIMER_TIME_WAIT: Final = bytes(timer == TIMER_TIME_WAIT for timer in range(256))

Row = tuple[int, int, int, int]
"""State, local port, remote port, and both queues as one number, which is 0 where both are empty.

The state is ``states.UNKNOWN`` for a number without a name. For raw sockets the local "port" is the IP
protocol number; for unix sockets all but the state is 0. ``split_queues`` has the queues apart.
"""


class Queues(NamedTuple):
    """Bytes in the queues of a socket."""

    send: int
    receive: int


class Listener(NamedTuple):
    """A TCP socket in LISTEN; its queue counts connections, not bytes.

    ``address`` is in network order, that of IPv4 with zeros behind it. Procfs has neither the ``limit`` of
    the queue, which is None then, nor the ``cgroup_id`` and the ``cookie``, which are 0. ``drops`` are the
    connections that it dropped, None if the kernel does not say.
    """

    port: int
    address: bytes
    waiting: int
    limit: int | None
    inode: int
    cgroup_id: int
    cookie: int = 0
    drops: int | None = None


Tracked = tuple[int, int, int]
"""Local port, remote port and identity: what a pass needs of a socket to recognize it.

The *identity* is that which ``identify`` returns, and so the same by either source. The kernel's cookie,
which procfs does not have, would also distinguish two sockets that follow each other at the same ports.
"""


class Origin(NamedTuple):
    """Who is behind a socket.

    ``inode`` is that of its file, 0 for a minisocket and before accept(). ``cgroup_id`` is the inode of its
    creator's cgroup directory, 0 for a minisocket, from procfs, and from a kernel before 5.9.
    """

    local_port: int
    local_address: bytes
    inode: int
    cgroup_id: int


class End(NamedTuple):
    """The other end of a socket of TCP; the address is in network order, of 4 or 16 bytes."""

    local_port: int
    remote_port: int
    remote_address: bytes


class Dropping(NamedTuple):
    """A datagram socket that has dropped.

    ``remote_port`` is 0 where it is not connected, ``cookie`` where procfs is the source.
    """

    local_port: int
    remote_port: int
    inode: int
    cookie: int
    drops: int


class Silences(NamedTuple):
    """Of some TCP sockets: identity, state, and how long ago the last segment came from the other end.

    Columns of numbers, because there may be very many sockets.
    """

    identities: MutableSequence[int]
    states: MutableSequence[int]
    milliseconds: MutableSequence[int]


Endpoints = tuple[int, int, int, bytes, bytes]
"""State, local port, remote port, source address and destination address.

The addresses have the bytes of the source, to be compared; ``order_address`` puts one in network order.
"""

Trying = tuple[int, int, int, int]
"""Local port, remote port, state and timer of a TCP socket that has sent the same again and again.

The timer is one of COUNTING_TIMERS and says what it sends: a retransmit (a SYN in SYN_SENT, a SYN-ACK in
SYN_RECV), a keepalive probe, or a probe of a closed window.
"""


class Rows(Protocol):
    """Some consecutive rows of one table.

    TCP's listeners are apart from the other rows, and in no later block than any connection that they
    accepted. ``listed`` is every row the kernel gave: the listeners, the other rows, ``malformed`` ones
    (skipped because they could not be parsed) and ``repeated`` ones (listed before in the same walk,
    skipped). ``minisockets`` have no full socket behind them (TIME_WAIT, SYN_RECV, and FIN_WAIT2 kept as a
    time-wait minisocket); the kernel's sockstat does not count them as in use. ``states`` has the state of
    every row that ``unpack`` returns, in the same order: the *place* of a row is its index there.
    """

    listed: int
    malformed: int
    repeated: int
    minisockets: int
    listeners: Sequence[Listener]
    states: bytes

    def unpack(self) -> Iterable[Row]:
        """Return all rows but the listeners."""


class InetRows(Rows, Protocol):
    """Some rows of a table with ports."""

    def split_queues(self, queues: int) -> Queues:
        """Return the two queues that are one number in a row."""

    def tracked(self, places: Iterable[int]) -> Iterable[Tracked]:
        """Return ports and identity of the TCP sockets at some places."""

    def origins(self, places: Iterable[int]) -> Iterable[Origin]:
        """Return who is behind the TCP sockets at some places."""

    def endpoints(self) -> Iterable[Endpoints]:
        """Return for every row its state, ports and addresses."""

    @staticmethod
    def order_address(address: bytes) -> bytes:
        """Return an address of ``endpoints`` in network order, 16 bytes, IPv4 with zeros behind it."""

    def expires_milliseconds(self, place: int) -> int:
        """Return after how long the timer of the row at a place will fire."""

    def dropping(self) -> Iterator[Dropping]:
        """Return the datagram sockets that have dropped."""

    def trying(self, tries: int) -> Iterator[Trying]:
        """Return the TCP sockets that have sent the same so often or more often, without an answer."""


class StateRows:
    """Rows of which nothing but the state is known, as unix sockets are; see ``Rows``."""

    repeated = 0
    minisockets = 0
    listeners: Sequence[Listener] = ()

    def __init__(self, codes: bytes, malformed: int = 0) -> None:
        self.states = codes
        self.malformed = malformed
        self.listed = len(codes) + malformed

    def unpack(self) -> Iterable[Row]:
        """Return all rows."""
        return zip(self.states, repeat(0), repeat(0), repeat(0))


class ListenerRows:
    """Rows that are listeners, all of them; see ``Rows``."""

    malformed = 0
    repeated = 0
    minisockets = 0
    states = b""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self.listeners = listeners
        self.listed = len(listeners)

    def unpack(self) -> Iterable[Row]:
        """Return nothing."""
        return ()


def rename_unknown(data: bytes, state_at: int, row_bytes: int, known: Iterable[int]) -> bytes:
    """Return rows of equal size with ``states.UNKNOWN`` as the state of those whose state has no name."""
    codes, known = data[state_at::row_bytes], bytes(known)
    if not codes.translate(None, known):
        return data
    renamed = bytearray(data)
    renamed[state_at::row_bytes] = codes.translate(
        bytes(code if code in known else states.UNKNOWN for code in range(256))
    )
    return bytes(renamed)


def identify(ends: bytes) -> int:
    """Return a hash of 56 bits of both ports and both addresses, in network order, IPv4 padded with zeros."""
    return hash(ends) & _IDENTITY


def find_places(codes: bytes, state: int) -> list[int]:
    """Return the places of the rows in a state."""
    places = []
    place = codes.find(state)
    while place >= 0:
        places.append(place)
        place = codes.find(state, place + 1)
    return places


def count_minisockets(codes: bytes | bytearray, timers: bytes | bytearray) -> int:
    """Count the rows without a full socket, by the states and the active timers of TCP's rows.

    A time-wait minisocket has a timer of its own, whichever state it stands for. A SYN_RECV of TCP Fast Open
    has a full socket and is counted all the same, because neither column shows it.
    """
    minisockets = codes.count(states.TIME_WAIT) + codes.count(states.SYN_RECV)
    if states.FIN_WAIT2 in codes:
        in_fin_wait2 = int.from_bytes(codes.translate(_IS_FIN_WAIT2))
        of_time_wait = int.from_bytes(timers.translate(_IS_TIMER_TIME_WAIT))
        minisockets += (in_fin_wait2 & of_time_wait).bit_count()
    return minisockets
