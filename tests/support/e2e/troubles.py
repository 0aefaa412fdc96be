"""Be in many troubles at once, in the network namespace that this runs in, until standard input ends.

    python -m tests.support.e2e.troubles

Each trouble is a generator that makes it a little worse at every step. What comes to an end begins anew: an
alert on it may have missed a scrape the first time.
"""

import resource
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.daemon import ROOT
from tests.support.live.connections import make_deaf
from tests.support.live.hoarder import hoarding

STEP_SECONDS = 0.05
LOOPBACK = "127.0.0.1"
HTTP_ALT, POSTGRESQL, SMTP, IPP, HTTPS, MYSQL, SYSLOG = 8080, 5432, 25, 631, 443, 3306, 514
HTTPS_ALT = 8443
NEW_PORT = 4444
LDAP, LDAPS, IMAP = 389, 636, 143
SYSCTLS = {
    "ip_local_port_range": "20000 20999",
    "tcp_max_tw_buckets": "50",
}
FILES = 640
FULL_PORTS = 960
FULL_STEPS = 200
LISTENED_STEPS = 400
GONE_STEPS = 100
SYN_BACKLOG = 64
HALF_OPEN = 48
BOUND_PORTS = 950
VANISHED = 8


@contextmanager
def in_trouble() -> Iterator[None]:
    """Run this module meanwhile."""
    command = [sys.executable, "-m", "tests.support.e2e.troubles"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE):
        yield


def leak_more_and_more() -> Iterator[None]:
    """Keep what clients have closed; sixteen addresses, as one has not enough ports."""
    kept: list[tuple[socket.socket, socket.socket]] = []
    with socket.create_server(("", HTTP_ALT)) as listener:
        while True:
            client = socket.create_connection((f"127.0.0.{1 + len(kept) % 16}", HTTP_ALT))
            server, _ = listener.accept()
            client.shutdown(socket.SHUT_WR)
            kept.append((client, server))
            yield


def use_up_files() -> Iterator[None]:
    """Let a process keep what clients have closed until it has no file descriptor left, for a while."""
    while True:
        with hoarding((), HTTPS_ALT, FILES) as hoarder:
            for _ in range(FILES):
                hoarder.visit(resets=False)
                yield
            for _ in range(FULL_STEPS):
                yield


def use_up_ports() -> Iterator[None]:
    """Open connections to one destination until nearly all ports are in use, for a while."""
    with socket.create_server((LOOPBACK, POSTGRESQL)) as listener:
        while True:
            with ExitStack() as kept:
                for _ in range(FULL_PORTS // 2):
                    for _ in "12":
                        kept.enter_context(socket.create_connection((LOOPBACK, POSTGRESQL)))
                        kept.enter_context(listener.accept()[0])
                    yield
                for _ in range(FULL_STEPS):
                    yield


def close_first() -> Iterator[None]:
    """Leave a connection in TIME_WAIT, as long as the kernel lets it."""
    with socket.create_server((LOOPBACK, SMTP)) as listener:
        while True:
            client = socket.create_connection((LOOPBACK, SMTP))
            server, _ = listener.accept()
            client.close()
            server.recv(1)
            server.close()
            yield


def never_accept() -> Iterator[None]:
    """Let connections wait until there is no room, and then try on."""
    waiting = []
    with socket.create_server((LOOPBACK, IPP), backlog=4):
        while True:
            client = socket.socket()
            client.setblocking(False)  # noqa: FBT003
            client.connect_ex((LOOPBACK, IPP))
            waiting.append(client)
            del waiting[5:]
            yield


def never_shake_hands() -> Iterator[None]:
    """Answer no SYN-ACK; most of the backlog is taken all the time."""
    waiting = []
    with socket.create_server((LOOPBACK, HTTPS), backlog=SYN_BACKLOG):
        while True:
            client = socket.socket()
            make_deaf(client)
            client.setblocking(False)  # noqa: FBT003
            client.connect_ex((LOOPBACK, HTTPS))
            waiting.append(client)
            del waiting[:-HALF_OPEN]  # the kernel drops what is old sooner than what is new
            yield


def listen_no_more() -> Iterator[None]:
    """Close a listener that was there for some time, for a while."""
    while True:
        with socket.create_server((LOOPBACK, MYSQL)):
            for _ in range(LISTENED_STEPS):
                yield
        for _ in range(GONE_STEPS):
            yield


def listen_anew() -> Iterator[None]:
    """Listen at one more port now and then, whoever may connect."""
    with ExitStack() as kept:
        for port in range(NEW_PORT, NEW_PORT + 100):
            for _ in range(LISTENED_STEPS):
                yield
            kept.enter_context(socket.create_server(("", port)))
    while True:
        yield


def hold_ports() -> Iterator[None]:
    """Hold nearly all ports of one address, each in a UDP socket of its own."""
    with ExitStack() as kept:
        for _ in range(BOUND_PORTS):
            kept.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind((LOOPBACK, 0))
        while True:
            yield


def never_receive() -> Iterator[None]:
    """Let datagrams come that nobody reads."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        receiver.bind((LOOPBACK, SYSLOG))
        while True:
            for _ in range(10):
                sender.sendto(bytes(500), (LOOPBACK, SYSLOG))
            yield


def forget_connections() -> Iterator[None]:
    """Open connections that nobody uses."""
    kept: list[tuple[socket.socket, socket.socket]] = []
    with socket.create_server(("", IMAP)) as listener:
        while True:
            client = socket.create_connection((f"127.0.0.{1 + len(kept) % 16}", IMAP))
            kept.append((client, listener.accept()[0]))
            yield


def lose_the_peer() -> Iterator[None]:
    """Send to a peer that hears nothing any more, and connect to one that never did."""
    with ExitStack() as kept:
        listener = kept.enter_context(socket.create_server((LOOPBACK, LDAP)))
        for _ in range(VANISHED):
            client = kept.enter_context(socket.create_connection((LOOPBACK, LDAP)))
            make_deaf(kept.enter_context(listener.accept()[0]))
            client.send(b"?")
        make_deaf(kept.enter_context(never := socket.create_server((LOOPBACK, LDAPS))))
        for _ in range(VANISHED):
            client = kept.enter_context(socket.socket())
            client.setblocking(False)  # noqa: FBT003
            client.connect_ex(never.getsockname())
        while True:
            yield


TROUBLES = (
    leak_more_and_more,
    use_up_files,
    use_up_ports,
    close_first,
    never_accept,
    never_shake_hands,
    listen_no_more,
    listen_anew,
    hold_ports,
    never_receive,
    forget_connections,
    lose_the_peer,
)


def main() -> None:
    """Take a step of every trouble, again and again."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for name, value in SYSCTLS.items():
        Path("/proc/sys/net/ipv4", name).write_text(value)
    troubles = [trouble() for trouble in TROUBLES]
    while not select.select([sys.stdin], [], [], STEP_SECONDS)[0]:
        for trouble in troubles:
            next(trouble)


if __name__ == "__main__":
    main()
