"""Make TCP connections and leave them in a known state.

No packet is crafted, and none is dropped on its way: a socket whose filter refuses every segment is deaf
(SO_ATTACH_FILTER, see socket(7)), and its peer waits as behind a cut cable.
"""

import ctypes
import errno
import fcntl
import os
import socket
import struct
import termios
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from operator import methodcaller

from tests.support.live.made import Kept, Made, table_of
from tests.support.live.scenarios import DATA, NAMED, Listen, Route, Scenario

SO_ATTACH_FILTER = 26
REFUSE_ALL = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF_RET | BPF_K, of 0 bytes
FILTER = struct.pack("HP", 1, ctypes.addressof(REFUSE_ALL))

SETTINGS = {
    "tcp_fastopen": 0x1 | 0x2 | 0x4 | 0x200,  # client, server, and neither asks for a cookie
    "tcp_tw_reuse": 0,  # a TIME_WAIT that was made stays
}
FIN_NOT_ACKNOWLEDGED = {4, 9, 11}  # FIN_WAIT1, LAST_ACK, CLOSING
OTHER = {"client": "server", "server": "client"}
BACKLOG = 64
ABORT = struct.pack("ii", 1, 0)  # at the end no orphan must go on sending, and with it its namespace
PATIENCE_SECONDS = 10


class StoryError(Exception):
    """A connection did not come to what its story says."""


class Connection:
    """The two ends of a connection, as far as they are open; its verbs are those of the stories."""

    def __init__(self, client: socket.socket, listener: socket.socket, address: tuple[str, int]) -> None:
        self.ends = {"client": client}
        self.deaf: set[str] = set()
        self.listener = listener
        self.address = address
        self.client_port = 0

    def deafens(self, end: str) -> None:
        """Hear nothing from here on."""
        make_deaf(self.ends[end])
        self.deaf.add(end)

    def binds(self, end: str) -> None:
        """Connect from a port that has a name."""
        self.ends[end].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.ends[end].bind(("", NAMED[self.ends[end].family]))

    def connects(self, end: str) -> None:
        """Connect; a deaf client does not wait for the answer."""
        self.ends[end].setblocking(end not in self.deaf)
        error = self.ends[end].connect_ex(self.address)
        if error not in {0, errno.EINPROGRESS}:
            raise StoryError(f"connect to {self.address}: {os.strerror(error)}")
        self.client_port = self.ends[end].getsockname()[1]

    def opens(self, end: str) -> None:
        """Send data along with the SYN."""
        self.ends[end].settimeout(0)
        self.ends[end].sendto(DATA, socket.MSG_FASTOPEN, self.address)
        self.client_port = self.ends[end].getsockname()[1]

    def accepts(self, end: str) -> None:
        """Take the connection out of the listener's queue."""
        self.ends[end], remote = self.listener.accept()
        if remote[1] != self.client_port:
            raise StoryError(f"accepted port {remote[1]} instead of {self.client_port}")

    def sends(self, end: str) -> None:
        """Send data, and wait for its acknowledgement if the peer can hear."""
        self.ends[end].sendall(DATA)
        if OTHER[end] not in self.deaf:
            wait_until(lambda: unacknowledged_bytes(self.ends[end]) == 0)

    def shuts(self, end: str) -> None:
        """Send FIN, and wait for all that comes of it."""
        this, peer = self.ends[end], self.ends[OTHER[end]]
        peer_state = tcp_state(peer)
        this.shutdown(socket.SHUT_WR)
        if OTHER[end] in self.deaf:
            return
        wait_until(lambda: tcp_state(peer) != peer_state)
        if end not in self.deaf:
            wait_until(lambda: tcp_state(this) not in FIN_NOT_ACKNOWLEDGED)

    def closes(self, end: str) -> None:
        """Leave the connection to the kernel."""
        self.ends.pop(end).close()


def make_deaf(hearer: socket.socket) -> None:
    """Let a socket refuse all that arrives from here on."""
    hearer.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, FILTER)


def tcp_state(end: socket.socket) -> int:
    """Return the kernel's number of a socket's state, without reading any table."""
    return end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def unacknowledged_bytes(sender: socket.socket) -> int:
    """Return how much the peer has not acknowledged; TIOCOUTQ is SIOCOUTQ, see tcp(7)."""
    return int.from_bytes(fcntl.ioctl(sender, termios.TIOCOUTQ, bytes(4)), "little")


def wait_until(condition: Callable[[], bool]) -> None:
    """Return as soon as the condition holds: at once, or after a delayed acknowledgement."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise StoryError(f"not so after {PATIENCE_SECONDS} seconds")
        time.sleep(0.001)


def set_up_tcp() -> None:
    """Switch the network namespace that we are in to what the stories need."""
    for name, value in SETTINGS.items():
        with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as setting:
            setting.write(str(value))


def listen(how: Listen) -> socket.socket:
    """Open a listener on every address."""
    listener = socket.create_server(
        ("", how.port),
        family=how.family,
        backlog=BACKLOG,
        reuse_port=how.shared,
        dualstack_ipv6=how.dual_stack,
    )
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, BACKLOG)
    listener.settimeout(PATIENCE_SECONDS)
    return listener


def make_connections(
    routes: Sequence[Route],
    scenarios: Sequence[Scenario],
    listeners: Sequence[socket.socket],
    addresses: Mapping[str, str],
    kept: Kept,
) -> Iterator[Made]:
    """Let every scenario happen on every route, and say what it left in the tables, listeners included.

    Raises StoryError or OSError.
    """
    ports = [listener.getsockname()[1] for listener in listeners]
    waiting: Counter[int] = Counter()
    for scenario in scenarios:
        for route, _ in product(routes, range(scenario.times)):
            listener = listeners[ports.index(route.port)]
            connection = play(scenario, route, listener, addresses)
            kept += connection.ends.values()
            waiting[route.port] += scenario.waits
            yield from describe(connection, scenario, route, listener)
    for port, listener in zip(ports, listeners, strict=True):
        yield Made(table_of("tcp", listener.family), "listen", port, 0, "inbound", 1, waiting[port])


def play(
    scenario: Scenario, route: Route, listener: socket.socket, addresses: Mapping[str, str]
) -> Connection:
    """Make one connection and let its story happen."""
    client = socket.socket(route.family, socket.SOCK_STREAM)
    address = (route.address.format_map(addresses), scenario.port or route.port)
    connection = Connection(client, listener, address)
    for step in scenario.story.split(", "):
        end, verb = step.split()
        methodcaller(verb, end)(connection)
    for open_end in connection.ends.values():
        open_end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    return connection


def describe(
    connection: Connection, scenario: Scenario, route: Route, listener: socket.socket
) -> Iterator[Made]:
    """Say what a connection is in the tables; its two ends may be in different ones."""
    ports = (connection.client_port, connection.address[1])
    for end, family, own_ports, direction in (
        (scenario.client, route.family, ports, "outbound"),
        (scenario.server, listener.family, ports[::-1], "inbound"),
    ):
        if end is not None:
            queues = (end.receive_queue, end.send_queue)
            yield Made(table_of("tcp", family), end.state, *own_ports, direction, 1, *queues)
