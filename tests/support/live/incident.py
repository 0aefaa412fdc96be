"""A host on a bad day, until standard input ends: it leaks, runs out, refuses and drops, all at once.

    python -m tests.support.live.incident CLIENT POD [CGROUP...]

Run in the server's network namespace; CLIENT is the file of the other one, see namespace.two_hosts, POD that
of a pod whose server never closes, or empty. The cgroups are those of the host's units, by their names. A
line says that it has begun. Every tick makes it a little worse.
"""

import contextlib
import os
import resource
import select
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.live.cgroup import made_cgroup
from tests.support.live.connections import make_deaf
from tests.support.live.namespace import CLIENT_ADDRESSES, ROOT, SERVER_ADDRESSES, Namespace, inside

HTTPS, CHECKOUT, ADMIN, STATSD, POSTGRES, REDIS, LDAP = 443, 8443, 9000, 8125, 5432, 6379, 389
IN_POD = 8080
NAMES = {CHECKOUT: "checkout", ADMIN: "admin", STATSD: "statsd"}
UNITS = ("nginx.service", "admin.service", "statsd.service", "checkout.service")
SERVER, CLIENT = SERVER_ADDRESSES[0], CLIENT_ADDRESSES[0]
TICK_SECONDS = 0.25
EPHEMERAL_PORTS = 1000
FILES = 2048
SYSCTLS = {
    "ip_local_port_range": "20000 20999",
    "tcp_tw_reuse": "0",  # ports in TIME_WAIT are not used again
    "tcp_max_tw_buckets": "2048",
}


class Pair(NamedTuple):
    """Both ends of a connection."""

    client: socket.socket
    server: socket.socket

    def end(self) -> None:
        """Send a question and its answer, and close both, the client first."""
        self.client.send(bytes(100))
        self.server.recv(100)
        self.server.send(bytes(1000))
        self.client.recv(1000)
        self.close()

    def close(self) -> None:
        """Close both, the client first."""
        self.client.close()
        self.server.recv(1)
        self.server.close()


class Incident:
    """The sockets, and what happens to them."""

    def __init__(self, elsewhere: str, pod: str, units: Mapping[str, Path]) -> None:
        self.elsewhere = elsewhere
        self.pod = pod
        self._units = units
        self.others: list[subprocess.Popen[bytes]] = []
        self.enter("nginx.service")
        self.https = socket.create_server((SERVER, HTTPS))
        self.enter("admin.service")
        self.admin = socket.create_server((SERVER, ADMIN), backlog=4)
        self.enter("statsd.service")
        self.statsd = socket.socket(type=socket.SOCK_DGRAM)
        self.statsd.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.statsd.bind((SERVER, STATSD))
        with inside(elsewhere):
            self.postgres = socket.create_server((CLIENT, POSTGRES))
            self.redis = socket.create_server((CLIENT, REDIS))
            self.ldap = socket.create_server((CLIENT, LDAP))
            self.metrics = socket.socket(type=socket.SOCK_DGRAM)
        self.enter("checkout.service")
        self.checkout = socket.create_server((SERVER, CHECKOUT))
        self.browsing = deque(self.visit(self.https) for _ in range(60))
        self.pool = [self.query(self.postgres) for _ in range(40)]
        self.leaked: list[socket.socket] = []
        self.refused: deque[socket.socket] = deque()
        self.stays_in_pod: socket.socket | None = None
        for end in self.pool[:2]:
            make_deaf(end.server)
            end.client.send(bytes(20_000))
        make_deaf(self.ldap)
        self.unanswered = [knock_at(self.ldap) for _ in range(3)]

    def enter(self, unit: str) -> None:
        """Go on as a process of a unit, to which sockets belong from now on; another one stays there."""
        if unit not in self._units:
            return
        (self._units[unit] / "cgroup.procs").write_text(str(os.getpid()))
        self.others.append(subprocess.Popen(["cat"], stdin=subprocess.PIPE))

    def end(self) -> None:
        """Leave no process in a unit."""
        for other in self.others:
            other.communicate()

    def begin(self) -> None:
        """Have a little of everything at once."""
        for _ in range(EPHEMERAL_PORTS // 8):
            self.query(self.postgres).close()
        for _ in range(12):
            self.leak()
            connection = self.query(self.redis)
            connection.server.close()
            self.leaked.append(connection.client)

    def go_on(self) -> None:
        """Let one tick pass."""
        self.leak()
        for _ in range(3):
            self.query(self.postgres).end()
        for _ in range(2):
            self.browsing.append(self.visit(self.https))
            gone = self.browsing.popleft()
            Pair(gone.server, gone.client).close()
        for _ in range(20):
            self.metrics.sendto(bytes(500), (SERVER, STATSD))
        self.knock()
        if self.pod:
            self.visit_pod()

    def visit_pod(self) -> None:
        """Hang up on the server in the pod, which will not; all but the first time."""
        with inside(self.pod):
            client = socket.create_connection(("127.0.0.1", IN_POD))
        if self.stays_in_pod is None:
            self.stays_in_pod = client
        else:
            client.close()

    def visit(self, listener: socket.socket) -> Pair:
        """Connect from elsewhere."""
        with inside(self.elsewhere):
            client = socket.create_connection(listener.getsockname())
        return Pair(client, listener.accept()[0])

    def query(self, listener: socket.socket) -> Pair:
        """Connect to elsewhere."""
        return Pair(socket.create_connection(listener.getsockname()), listener.accept()[0])

    def leak(self) -> None:
        """Keep a connection open that the other side has closed, its last words unread."""
        connection = self.visit(self.checkout)
        connection.client.send(bytes(300))
        connection.client.close()
        self.leaked.append(connection.server)

    def knock(self) -> None:
        """Connect to what never accepts, and give up after a while."""
        with inside(self.elsewhere):
            self.refused.append(knock_at(self.admin))
        if len(self.refused) > 20:
            self.refused.popleft().close()


def knock_at(listener: socket.socket) -> socket.socket:
    """Begin to connect to what does not answer."""
    client = socket.socket()
    client.settimeout(0)
    client.connect_ex(listener.getsockname())
    return client


@contextmanager
def incident(
    server: Namespace,
    client: Namespace,
    prefix: Sequence[str] = (),
    pod: Namespace | None = None,
    units: Sequence[str] = (),
) -> Iterator[None]:
    """Let it happen in two namespaces, in a pod, and in these units; ``prefix`` begins its command line."""
    for name, value in SYSCTLS.items():
        server.run("sh", "-c", f'echo "{value}" >/proc/sys/net/ipv4/{name}')
    with ExitStack() as stack:
        cgroups = [stack.enter_context(made_cgroup(unit, f"-{unit.partition('.')[0]}")) for unit in units]
        words = [client.path, pod.path if pod else "", *map(str, cgroups)]
        command = server.command(sys.executable, "-m", "tests.support.live.incident", *words)
        pipe = subprocess.PIPE
        process = stack.enter_context(
            subprocess.Popen([*prefix, *command], cwd=ROOT, stdin=pipe, stdout=pipe)
        )
        assert process.stdout is not None
        assert process.stdout.readline(), "it did not begin; standard error says why"
        yield


def main(elsewhere: str, pod: str, *cgroups: str) -> None:
    """Begin, say so, and go on until standard input ends."""
    Path("/proc/self/comm").write_text("shop")
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    happening = Incident(elsewhere, pod, {Path(cgroup).name: Path(cgroup) for cgroup in cgroups})
    happening.begin()
    print("begun", flush=True)  # noqa: T201
    while not select.select([sys.stdin], [], [], TICK_SECONDS)[0]:
        with contextlib.suppress(OSError):  # no port is left, which is what happens on such a day
            happening.go_on()
    happening.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
