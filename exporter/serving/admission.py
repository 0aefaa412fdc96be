"""Decide who may connect, and how soon a client is answered, so that no client keeps another out.

A client is an IPv4 address, or the /64 network of an IPv6 address, which is what one customer is given.
Where there is no room, the connection that has been idle for longest makes way: whoever sends a request at
once, as Prometheus does, is never idle for long.
"""

import socket
import time
from collections import Counter
from typing import Final, Protocol

MAX_CONNECTIONS: Final = 512
MAX_CONNECTIONS_OF_CLIENT: Final = 64

_TURNS_PER_SECOND: Final = 100
_TURNS_OF_ALL_PER_SECOND: Final = 300
_EVERYBODY: Final = b""
_BURST_SECONDS: Final = 1.0  # so many seconds' turns are taken without a wait
_MOMENT_SECONDS: Final = 1.0
_LONGEST_WAIT_SECONDS: Final = 1.5
_MAX_REMEMBERED: Final = 4096
_MAPPED: Final = bytes(10) + b"\xff\xff"


class AdmittedConnection(Protocol):
    """A connection, as far as it takes room."""

    def is_idle(self) -> bool:
        """Tell whether nothing is being answered."""

    def displace(self) -> None:
        """Close the connection, because there is no room for it."""


class Rejections:
    """Counts what was turned away, by reason; a reason is there from the start, at 0."""

    def __init__(self) -> None:
        self.connections = Counter(dict.fromkeys(CONNECTION_REASONS, 0))
        self.requests = Counter(dict.fromkeys(REQUEST_REASONS, 0))


CONNECTION_REASONS: Final = (
    "client_limit",  # as many connections of this client, all of them busy
    "limit",  # as many connections in all
    "displaced",  # idle, and there was no room for another
    "slow_request",  # no whole request in time, a TLS handshake included
    "slow_reader",  # the answer was not read in time
    "tls",  # no TLS handshake, or no certificate that is allowed
)
REQUEST_REASONS: Final = (
    "busy",  # as many under way as --web.max-requests
    "malformed",
    "too_large",  # headers that are too many or too long, a body, too much sent ahead
    "http_version",
    "unauthorized",
    "too_many_attempts",
    "foreign_origin",  # a browser's page asked for a reload
    "misconfigured",  # the web configuration cannot be read
)


class Admission:
    """Keeps the room: so many connections in all and of one client, so many requests per second."""

    def __init__(self, most_connections: int = MAX_CONNECTIONS) -> None:
        self.rejections = Rejections()
        self._most = most_connections
        self._most_of_one = max(1, min(MAX_CONNECTIONS_OF_CLIENT, most_connections // 2))
        self._connections: dict[bytes, dict[AdmittedConnection, None]] = {}
        self._number = 0
        self._busy_until: dict[tuple[bytes, str], float] = {}

    def try_admit(self, client: bytes) -> bool:
        """Tell whether there is room for a connection, if need be by having another make way."""
        number = len(self._connections.get(client, ()))
        if number >= self._most_of_one and not (self._may_displace(client) and self._displace(client)):
            self.rejections.connections["client_limit"] += 1
            return False
        if self._number >= self._most:
            crowd = self._find_crowd()
            is_fairer = number + 1 < len(self._connections[crowd])  # then busy ones make way, too
            if not self._displace(crowd, even_busy=is_fairer):
                self.rejections.connections["limit"] += 1
                return False
        return True

    def enter(self, client: bytes, connection: AdmittedConnection) -> None:
        """Give a connection its room."""
        self._connections.setdefault(client, {})[connection] = None
        self._number += 1

    def leave(self, client: bytes, connection: AdmittedConnection) -> None:
        """Take a connection's room back; to do so twice does no harm."""
        same = self._connections.get(client, {})
        if connection in same:
            del same[connection]
            self._number -= 1
            if not same:
                del self._connections[client]

    def connections(self) -> list[AdmittedConnection]:
        """Return all that have room."""
        return [connection for same in self._connections.values() for connection in same]

    def delay(self, client: bytes, *, is_probe: bool) -> float:
        """Return how many seconds a request has to wait; probes of health have a count of their own.

        A client that asked within the last moment waits for its own turn, and for one among all such clients:
        whoever asks seldom, as Prometheus does, goes before a crowd.
        """
        kind = "probes" if is_probe else "requests"
        asked_just_now = self._busy_until.get((client, kind), 0) > time.monotonic() - _MOMENT_SECONDS
        wait_seconds = self._take_turn(client, kind, _TURNS_PER_SECOND)
        if asked_just_now:
            crowded_seconds = self._take_turn(_EVERYBODY, kind, _TURNS_OF_ALL_PER_SECOND)
            wait_seconds = max(wait_seconds, crowded_seconds)
        return wait_seconds

    def _may_displace(self, client: bytes) -> bool:
        """Tell whether one more may make way: who reconnects at once, again and again, is turned away."""
        return self._take_turn(client, "displaced", _TURNS_PER_SECOND) == 0

    def _take_turn(self, client: bytes, kind: str, per_second: int) -> float:
        """Return how long to wait for a turn; the more turns of late, the longer, up to a limit."""
        key, now_seconds = (client, kind), time.monotonic()
        busy_until = max(now_seconds, self._busy_until.get(key, 0))
        wait_seconds = max(0.0, busy_until - now_seconds - _BURST_SECONDS)
        if wait_seconds < _LONGEST_WAIT_SECONDS:
            busy_until += 1 / per_second
        self._busy_until[key] = busy_until
        if len(self._busy_until) > _MAX_REMEMBERED:
            self._busy_until = {
                key: at for key, at in self._busy_until.items() if at > now_seconds - _MOMENT_SECONDS
            }
            if len(self._busy_until) > _MAX_REMEMBERED:
                self._busy_until.clear()
        return wait_seconds

    def _find_crowd(self) -> bytes:
        return max(self._connections, key=lambda client: len(self._connections[client]))

    def _displace(self, client: bytes, *, even_busy: bool = False) -> bool:
        """Have the idle connection of a client that came first make way."""
        same = self._connections.get(client, {})
        idle = (connection for connection in same if connection.is_idle())
        chosen = next(idle, None) or (next(iter(same), None) if even_busy else None)
        if chosen is None:
            return False
        self.leave(client, chosen)
        self.rejections.connections["displaced"] += 1
        chosen.displace()
        return True


def identify(host: str) -> bytes:
    """Return by what a client is known: its IPv4 address, or its IPv6 network."""
    try:
        if ":" not in host:
            return socket.inet_aton(host)
        address = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except OSError:
        return host.encode()
    return address[12:] if address.startswith(_MAPPED) else address[:8]
