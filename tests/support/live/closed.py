"""Let sockets end, each in another way."""

import socket
import time
from contextlib import suppress

from tests.support.live.connections import ABORT

ADDRESS = ("127.0.0.1", 0)
SENT, ANSWERED = bytes(1000), bytes(10)


def close_connection() -> None:
    """Close a connection and its listener, which makes three events: the client, the server, the listener."""
    with socket.create_server(ADDRESS) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        client.sendall(SENT)
        server.recv(len(SENT), socket.MSG_WAITALL)
        server.sendall(ANSWERED)
        client.recv(len(ANSWERED), socket.MSG_WAITALL)
        client.shutdown(socket.SHUT_WR)
        server.recv(1)
        server.close()
        client.recv(1)
        client.close()


def abort_connection() -> None:
    """Abort a connection at the server's end, and close its listener: three events."""
    with socket.create_server(ADDRESS, family=socket.AF_INET) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        server.close()
        client.close()


def be_refused() -> None:
    """Connect to a port at which nothing listens, and wait for the answer."""
    with suppress(ConnectionRefusedError), socket.socket() as client:
        client.connect(("127.0.0.1", 9))


def be_refused_later() -> None:
    """Connect to a port at which nothing listens, and ask for the answer when it is there."""
    with socket.socket() as client:
        client.setblocking(False)  # noqa: FBT003
        client.connect_ex(("127.0.0.1", 9))
        while not client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            time.sleep(0.001)


def close_unused() -> None:
    """Close a socket of IPv6 that was bound and nothing more."""
    with socket.socket(socket.AF_INET6) as unused:
        unused.bind(("::1", 0))


CLOSED = (close_connection, abort_connection, be_refused, be_refused_later, close_unused)
