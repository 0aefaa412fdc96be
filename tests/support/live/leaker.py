"""Leak sockets in CLOSE_WAIT as told, a line of standard input each, and answer every line.

    python -m tests.support.live.leaker [ADDRESS]

``leak PORT`` connects from a port to our own listener, at an address of the loopback, which hangs up;
``finish PORT`` closes as well, which leaves TIME_WAIT at the listener's side. ``drop`` aborts what was leaked
and leaves nothing of it, so that its ports can be used again at once.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from exporter.kernel import states
from tests.support.live.connections import ABORT, tcp_state, wait_until
from tests.support.live.namespace import ROOT
from tests.support.live.scenarios import IPP

LOOPBACK = "127.0.0.1"


class Leaker:
    """A process that leaks."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.pid = process.pid
        self._process = process

    def tell(self, line: str) -> None:
        """Say what to do, and wait until it is done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"


@contextmanager
def leaking(prefix: Sequence[str], address: str = LOOPBACK) -> Iterator[Leaker]:
    """Run a leaker behind ``prefix``, such as the entry into a namespace; it ends with its standard input."""
    command = [*prefix, sys.executable, "-m", "tests.support.live.leaker", address]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        yield Leaker(process)


def leak(listener: socket.socket, port: int) -> socket.socket:
    """Return a connection whose other side has hung up."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind((LOOPBACK, port))
    client.connect(listener.getsockname())
    listener.accept()[0].close()
    wait_until(lambda: tcp_state(client) == states.CLOSE_WAIT)
    return client


def main(address: str = LOOPBACK) -> None:
    """Do as told until there is nothing more."""
    listener = socket.create_server((address, IPP))
    leaked: list[socket.socket] = []
    for line in sys.stdin:
        verb, *port = line.split()
        if verb == "drop":
            while leaked:
                leaked[-1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
                leaked.pop().close()
        else:
            leaked.append(leak(listener, int(*port)))
            if verb == "finish":
                leaked.pop().close()
        print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
