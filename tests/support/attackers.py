"""Clients that mean harm: ``python -m tests.support.attackers NAME PORT PAUSE`` goes on until its input ends.

They come from an address of their own, and leave the processor to others: a real attacker has its own.
"""

import os
import select
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

ADDRESS: Final = ("127.0.0.2", 0)
IP_BIND_ADDRESS_NO_PORT: Final = 24  # in.h: connect() takes the port
IDLE_CONNECTIONS: Final = 560
THREADS: Final = 40

_SCRAPE: Final = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
_MANY_HEADERS: Final = b"GET /x HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 2600 + b"\r\n"
_HTTP2: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0" * 1000
_TRUSTING: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_TRUSTING.check_hostname, _TRUSTING.verify_mode = False, ssl.CERT_NONE


def bind(client: socket.socket) -> socket.socket:
    """Give a socket the attacker's address, of which attacks may have left all ports in TIME_WAIT."""
    client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    client.bind(ADDRESS)
    return client


def connect(port: int) -> socket.socket:
    """Return a connection from the attacker's address."""
    client = bind(socket.socket())
    client.settimeout(10)
    client.connect(("127.0.0.1", port))
    return client


def flood(sent: bytes) -> Callable[[int], None]:
    """Return what sends these bytes, reads all that comes, and comes again."""

    def attack(port: int) -> None:
        with connect(port) as client:
            client.sendall(sent)
            while client.recv(1 << 16):
                pass

    return attack


def ask_without_reading(port: int) -> None:
    """Ask for all the answers that there are, and read none of them."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        bind(client)
        client.settimeout(60)
        client.connect(("127.0.0.1", port))
        client.sendall(_SCRAPE * 100)
        select.select([], [], [client], 15)


def trickle(port: int) -> None:
    """Send a header that never ends."""
    with connect(port) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: ")
        while client.send(b"y"):
            select.select([client], [], [], 0.05)


def half_close(port: int) -> None:
    """Send no more, and stay."""
    with connect(port) as client:
        client.sendall(_SCRAPE)
        client.shutdown(socket.SHUT_WR)
        client.recv(1 << 16)


def shake_hands_again(port: int) -> None:
    """Begin with TLS, as often as it goes."""
    with connect(port) as client, _TRUSTING.wrap_socket(client):
        pass


def reconnect_idle(port: int) -> None:
    """Hold many connections, and open another for each that is closed."""
    clients: dict[int, socket.socket] = {}
    poll = select.epoll()

    def add() -> None:
        client = socket.socket()
        client.setblocking(False)  # noqa: FBT003 - the standard library names no keyword
        bind(client)
        client.connect_ex(("127.0.0.1", port))
        clients[client.fileno()] = client
        poll.register(client, select.EPOLLIN | select.EPOLLRDHUP)

    for _ in range(IDLE_CONNECTIONS):
        add()
    while True:
        for descriptor, _ in poll.poll():
            poll.unregister(descriptor)
            clients.pop(descriptor).close()
            add()


ATTACKS: Final[dict[str, tuple[int, Callable[[int], None]]]] = {
    "idle": (1, reconnect_idle),
    "many headers": (THREADS, flood(_MANY_HEADERS * 10)),
    "pipelined scrapes": (THREADS, flood(_SCRAPE * 100)),
    "no HTTP": (THREADS, flood(b"\xff" + os.urandom(1 << 16))),  # by chance it could begin as TLS does
    "HTTP/2": (THREADS, flood(_HTTP2)),
    "unread answers": (IDLE_CONNECTIONS, ask_without_reading),
    "trickle": (IDLE_CONNECTIONS, trickle),
    "half-closed": (THREADS, half_close),
}
"""By name, how many do what at once."""

TLS_ATTACKS: Final[dict[str, tuple[int, Callable[[int], None]]]] = {
    "idle": (1, reconnect_idle),
    "handshakes": (THREADS, shake_hands_again),
    "plain HTTP": (THREADS, flood(_SCRAPE * 100)),
}
"""The same for a server that speaks TLS."""


def main(name: str, port: int, pause_seconds: float) -> None:
    """Attack until the input ends, with a pause between one's attacks."""
    os.nice(19)
    number, attack = {**TLS_ATTACKS, **ATTACKS}[name]

    def repeat() -> None:
        while True:
            with suppress(OSError):
                attack(port)
            time.sleep(pause_seconds)

    for _ in range(number):
        threading.Thread(target=repeat, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
