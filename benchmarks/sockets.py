"""Make many sockets in the network namespace that this runs in, and hold them until standard input ends.

    python -m benchmarks.sockets tcp NUMBER COUNT CLOSE_WAIT
    python -m benchmarks.sockets udp NUMBER COUNT PORTS

``NUMBER`` tells this process from others of its kind: its addresses are those of 127.NUMBER.0.0/16.
``CLOSE_WAIT`` is the share of TCP's sockets in that state. ``PORTS`` is how many remote ports UDP's sockets
have: they are connected to one after the other, all of them; with 0, half are, to our service ports.
"""

import resource
import socket
import sys
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from exporter.kernel.states import FIN_WAIT2

SERVICE_PORTS: Final = (80, 443, 3306, 5432, 6379, 8080, 9090, 27017)
_BACKLOG: Final = 64
_POLL_SECONDS: Final = 0.001
PER_UDP_HOLDER: Final = 12_000
_SERVER_PORT: Final = 10_000  # the first local port of UDP, outside the ephemeral range ...
_CLIENT_PORT: Final = 40_000  # ... and inside, as of those who only connect
_REMOTE_PORT: Final = 1001
_PER_ADDRESS: Final = 4000  # well below the ports that the kernel chooses from for one destination

Connection = tuple[socket.socket, socket.socket]


class Shares(NamedTuple):
    """How many TCP sockets of each state make up a count."""

    time_wait: int
    established: int
    close_wait: int


def divide(count: int, close_wait_share: float) -> Shares:
    """Return the shares: half TIME_WAIT, some CLOSE_WAIT, and the rest ESTABLISHED, in pairs."""
    close_wait = int(count * close_wait_share)
    established = (count // 2 - close_wait) // 2 * 2
    return Shares(count - established - close_wait, established, close_wait)


def make_tcp(number: int, count: int, close_wait_share: float) -> list[socket.socket]:
    """Make TCP sockets and return those that need a descriptor."""
    shares = divide(count, close_wait_share)
    kept: list[socket.socket] = []
    connections = _connect(number, kept)
    for _ in range(shares.established // 2):
        kept += next(connections)
    half_closed = [next(connections) for _ in range(shares.close_wait)]
    for _ in range(shares.time_wait):
        for end in next(connections):
            end.close()
    # What is closed is forgotten after net.ipv4.tcp_fin_timeout. A late acknowledgement then meets with a
    # reset, and so does an answer to a new connection from the same port: either ends a CLOSE_WAIT.
    for client, _ in half_closed:
        client.shutdown(socket.SHUT_WR)
    for client, server in half_closed:
        wait_for_fin_wait2(client)
        client.close()
        kept.append(server)
    return kept


def wait_for_fin_wait2(client: socket.socket) -> None:
    """Return once the other end has acknowledged that nothing more will come."""
    while client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != FIN_WAIT2:
        time.sleep(_POLL_SECONDS)


def make_udp(number: int, count: int, ports: int) -> list[socket.socket]:
    """Make UDP sockets, connected to so many remote ports; with 0, half are, to our service ports."""
    kept: list[socket.socket] = []
    for i in range(count):
        address, port = divmod(i, _PER_ADDRESS)
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.bind((f"127.{number}.{address}.1", port + (_CLIENT_PORT if ports else _SERVER_PORT)))
        if ports:
            end.connect(("127.0.0.1", _REMOTE_PORT + ((number - 1) * PER_UDP_HOLDER + i) % ports))
        elif i % 2:
            end.connect(("127.0.0.1", SERVICE_PORTS[i // 2 % len(SERVICE_PORTS)]))
        kept.append(end)
    return kept


def _connect(number: int, kept: list[socket.socket]) -> Iterator[Connection]:
    """Yield connections, to one listener after the other."""
    for i in range(256):
        address = (f"127.{number}.{i}.1", SERVICE_PORTS[i % len(SERVICE_PORTS)])
        listener = socket.create_server(address, backlog=_BACKLOG)
        kept.append(listener)
        for _ in range(_PER_ADDRESS):
            client = socket.socket()
            client.connect(address)
            yield client, listener.accept()[0]


def main(protocol: str, number: str, count: str, kind: str) -> None:
    """Make the sockets, say so, and hold them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if protocol == "tcp":
        kept = make_tcp(int(number), int(count), float(kind))
    else:
        kept = make_udp(int(number), int(count), int(kind))
    print("made", flush=True)
    sys.stdin.read()
    del kept


if __name__ == "__main__":
    main(*sys.argv[1:])
