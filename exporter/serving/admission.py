"""Limit connections and requests by client, so that no client keeps another out.

A client is an IPv4 address, or the /64 network of an IPv6 address, which is what one customer gets. At the
limit a new connection displaces the one that has been idle for longest. A client that sends a request at
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
    """A connection that counts towards the limits."""

    def is_idle(self) -> bool:
        """Return whether no request is being answered."""

    def displace(self) -> None:
        """Close the connection, because another one takes its place."""


class Rejections:
    """Counts rejected connections and requests by reason; every reason starts at 0."""

    def __init__(self) -> None:
        self.connections = Counter(dict.fromkeys(CONNECTION_REASONS, 0))
        self.requests = Counter(dict.fromkeys(REQUEST_REASONS, 0))


CONNECTION_REASONS: Final = (
    "client_limit",  # too many connections of this client, all of them busy
    "limit",  # too many connections in total
    "displaced",  # idle, and another one took its place
    "slow_request",  # no whole request in time, a TLS handshake included
    "slow_reader",  # the answer was not read in time
    "tls",  # no TLS handshake, or no certificate that is allowed
)
REQUEST_REASONS: Final = (
    "busy",  # --web.max-requests are in progress, or half as many of this client
    "malformed",
    "too_large",  # headers that are too many or too long, a body, too much sent ahead
    "http_version",
    "unauthorized",
    "too_many_attempts",
    "foreign_origin",  # a browser's page asked for a reload
    "misconfigured",  # the web configuration cannot be read
)


class Admission:
    """Limits connections in total and by client, and requests per second by client."""

    def __init__(self, max_connections: int = MAX_CONNECTIONS) -> None:
        self.rejections = Rejections()
        self._max = max_connections
        self._max_of_client = max(1, min(MAX_CONNECTIONS_OF_CLIENT, max_connections // 2))
        self._connections: dict[bytes, dict[AdmittedConnection, None]] = {}
        self._number = 0
        self._busy_until: dict[tuple[bytes, str], float] = {}

    def try_admit(self, client: bytes) -> bool:
        """Return whether one more connection is allowed; it may displace another one."""
        number = len(self._connections.get(client, ()))
        if number >= self._max_of_client and not (self._may_displace(client) and self._displace(client)):
            self.rejections.connections["client_limit"] += 1
            return False
        if self._number >= self._max:
            crowd = self._find_crowd()
            is_fairer = number + 1 < len(self._connections[crowd])  # then it may displace a busy one
            if not self._displace(crowd, even_busy=is_fairer):
                self.rejections.connections["limit"] += 1
                return False
        return True

    def enter(self, client: bytes, connection: AdmittedConnection) -> None:
        """Count a connection."""
        self._connections.setdefault(client, {})[connection] = None
        self._number += 1

    def leave(self, client: bytes, connection: AdmittedConnection) -> None:
        """Uncount a connection; a second call has no effect."""
        same = self._connections.get(client, {})
        if connection in same:
            del same[connection]
            self._number -= 1
            if not same:
                del self._connections[client]

    def connections(self) -> list[AdmittedConnection]:
        """Return all connections that are counted."""
        return [connection for same in self._connections.values() for connection in same]

    def delay(self, client: bytes, *, is_probe: bool) -> float:
        """Return how many seconds a request has to wait; health probes are counted separately.

        A client that sent a request within the last second waits for its own turn, and for a turn among all
        such clients. A client that seldom sends requests, as Prometheus does, goes first.
        """
        kind = "probes" if is_probe else "requests"
        asked_just_now = self._busy_until.get((client, kind), 0) > time.monotonic() - _MOMENT_SECONDS
        wait_seconds = self._take_turn(client, kind, _TURNS_PER_SECOND)
        if asked_just_now:
            crowded_seconds = self._take_turn(_EVERYBODY, kind, _TURNS_OF_ALL_PER_SECOND)
            wait_seconds = max(wait_seconds, crowded_seconds)
        return wait_seconds

    def _may_displace(self, client: bytes) -> bool:
        """Return whether a client may displace its own connection; one that keeps reconnecting may not."""
        return self._take_turn(client, "displaced", _TURNS_PER_SECOND) == 0

    def _take_turn(self, client: bytes, kind: str, per_second: int) -> float:
        """Return how long to wait for a turn: longer after many recent turns, up to a limit."""
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
        """Close the oldest idle connection of a client; return whether there was one."""
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
    """Return the identity of a client: its IPv4 address, or its IPv6 network."""
    try:
        if ":" not in host:
            return socket.inet_aton(host)
        address = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except OSError:
        return host.encode()
    return address[12:] if address.startswith(_MAPPED) else address[:8]
