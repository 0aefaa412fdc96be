"""Connect to some destinations, say so in a line, and hold the connections until standard input ends.

    python -m tests.support.live.outbound PORT ADDRESS OPEN CLOSED ADDRESS OPEN CLOSED ...

To every address so many connections are left open, and so many are closed by the client first, which leaves
it in TIME_WAIT. All is in the network namespace that this runs in.
"""

import resource
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.support.live.namespace import ROOT, Namespace

ABORT = struct.pack("ii", 1, 0)  # at the end nothing goes on sending


class Destination(NamedTuple):
    """An address, and how many connections to it are left open, and how many closed."""

    address: str
    open: int
    closed: int = 0


@contextmanager
def outbound(namespace: Namespace, port: int, *destinations: Destination) -> Iterator[None]:
    """Hold connections in a namespace."""
    words = [str(port), *(str(word) for destination in destinations for word in destination)]
    command = namespace.command(sys.executable, "-m", "tests.support.live.outbound", *words)
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline(), "the connections could not be made; standard error says why"
        yield


def connect(port: int, destination: Destination) -> Iterator[socket.socket]:
    """Yield all sockets that stay open."""
    family = socket.AF_INET6 if ":" in destination.address else socket.AF_INET
    listener = socket.create_server((destination.address, port), family=family)
    yield listener
    for number in range(destination.open + destination.closed):
        client = socket.create_connection((destination.address, port))
        server, _ = listener.accept()
        if number < destination.closed:
            client.close()
            server.recv(1)
            server.close()
        else:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            yield client
            yield server


def main(port: str, *words: str) -> None:
    """Make the connections, say so, and hold them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    found = zip(words[::3], words[1::3], words[2::3], strict=True)
    destinations = [Destination(address, int(left), int(closed)) for address, left, closed in found]
    kept = [end for destination in destinations for end in connect(int(port), destination)]
    print(len(kept), flush=True)  # noqa: T201
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
