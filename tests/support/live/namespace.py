"""Private network namespaces, each kept by a child process and gone with it.

The keeper reads a pipe that only its parent holds open, so that nothing is left behind even when the
parent is killed. See network_namespaces(7) and nsenter(1).
"""

import ctypes
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
SERVER_ADDRESSES = ("192.0.2.1", "2001:db8::1")
CLIENT_ADDRESSES = ("192.0.2.2", "2001:db8::2")


class NamespaceError(Exception):
    """No namespace could be made; the message is what the keeper wrote."""


class Namespace(NamedTuple):
    """A network namespace, known by the process that keeps it."""

    keeper: int

    @property
    def path(self) -> str:
        """The file that stands for the namespace."""
        return f"/proc/{self.keeper}/ns/net"

    def command(self, *words: str) -> list[str]:
        """Return the command line that runs ``words`` inside."""
        return ["nsenter", f"--net={self.path}", "--", *words]

    def run(self, *words: str) -> str:
        """Run a command inside, from the project's folder, and return what it printed.

        Raises CalledProcessError.
        """
        finished = subprocess.run(self.command(*words), check=True, stdout=subprocess.PIPE, cwd=ROOT)
        return finished.stdout.decode(errors="surrogateescape")

    def read(self, path: str) -> bytes:
        """Return the content of a file under ``/proc/self/net`` as it is inside; raises OSError."""
        with open(path.replace("self", str(self.keeper)), "rb") as file:
            return file.read()


@contextmanager
def private_namespace(prefix: Sequence[str] = ()) -> Iterator[Namespace]:
    """Make a namespace with its loopback up; its sockets and links vanish at the end.

    ``prefix`` begins the command line of its keeper, such as the entry into a cgroup.
    """
    keep = "ip link set lo up && echo up && exec cat"
    command = [*prefix, "unshare", "--net", "sh", "-c", keep]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True) as keeper:
        assert keeper.stdout is not None
        said = keeper.stdout.readline().strip()
        if said != "up":
            raise NamespaceError(said)
        yield Namespace(keeper.pid)


@contextmanager
def inside(path: str) -> Iterator[None]:
    """Open sockets in another namespace; only for a process with one thread. See setns(2)."""
    with open("/proc/self/ns/net", "rb") as home, open(path, "rb") as there:
        set_namespace(there.fileno())
        try:
            yield
        finally:
            set_namespace(home.fileno())


def set_namespace(descriptor: int) -> None:
    """Do what os.setns does in Python 3.12; raises OSError."""
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0):
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def two_hosts() -> Iterator[tuple[Namespace, Namespace]]:
    """Make two namespaces, a server's and a client's, joined by a cable with documentation addresses."""
    with private_namespace() as server, private_namespace() as client:
        cable = "ip link add eth0 type veth peer name eth0 netns"
        server.run(*cable.split(), str(client.keeper))
        for host, (ipv4, ipv6) in ((server, SERVER_ADDRESSES), (client, CLIENT_ADDRESSES)):
            host.run("ip", "address", "add", f"{ipv4}/24", "dev", "eth0")
            host.run("ip", "address", "add", f"{ipv6}/64", "dev", "eth0", "nodad")
            host.run("ip", "link", "set", "eth0", "up")
        yield server, client
