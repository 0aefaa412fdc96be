"""Programs that use sockets well or badly, and can be told to change.

    python -m tests.support.e2e.actors server NAME PORT FILES
    python -m tests.support.e2e.actors client NAME PORT FILES

A server closes what its clients have closed; after ``leak`` it does not any more, and ``mend`` closes all
that it kept, and the next ones. After ``vanish`` it hears nothing of its connections, as if its host had
lost power. A client is told ``visit NUMBER``: it opens so many connections to the port, one after the
other, and closes each when it was greeted. ``hold NUMBER`` keeps them open, ``ask`` sends something on each
of these, and ``drop`` ends them. Every line of standard input is answered by one of standard output. FILES
is how many files it may open.
"""

import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.support.daemon import ROOT
from tests.support.live.connections import ABORT, make_deaf

ADDRESS = "127.0.0.1"
GREETING = b"!"
ENOUGH_FILES = 20_000


class Actor:
    """A program at work."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def tell(self, line: str) -> str:
        """Say what to do, and return the answer when it is done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        """Wait for its end; after Ctrl-C Popen itself waits a quarter of a second only."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@contextmanager
def acting(
    role: str, name: str, port: int, files: int = ENOUGH_FILES, prefix: Sequence[str] = ()
) -> Iterator[Actor]:
    """Run a program that is listed under ``name``; it ends with its standard input, and not by Ctrl-C.

    ``prefix`` begins its command line, such as the entry into a cgroup.
    """
    command = [*prefix, sys.executable, "-m", "tests.support.e2e.actors", role, name, str(port), str(files)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, process_group=0) as process:
        actor = Actor(process)
        try:
            assert actor.tell("hello") == "done"
            yield actor
        finally:
            actor.end()


class Server:
    """Greets, reads each connection to its end, and closes it, or forgets to."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server((ADDRESS, port))
        self._lock = threading.Lock()
        self._leaks = False
        self._kept: list[socket.socket] = []
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._serve, daemon=True).start()

    def do(self, verb: str) -> str:
        """Change its ways."""
        with self._lock:
            if verb == "vanish":
                for connection in self._open:
                    make_deaf(connection)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            self._leaks = verb == "leak"
            while self._kept and not self._leaks:
                self._kept.pop().close()
        return "done"

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._see_to_its_end, args=(connection,), daemon=True).start()

    def _see_to_its_end(self, connection: socket.socket) -> None:
        with self._lock:
            leaks = self._leaks
        connection.send(GREETING)
        while connection.recv(1):
            pass
        with self._lock:
            self._open.remove(connection)
            if leaks:
                self._kept.append(connection)
            else:
                connection.close()


class Client:
    """Opens connections to a server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._held: list[socket.socket] = []

    def do(self, verb: str, number: str = "0") -> str:
        """Do as told, and return what went wrong, if anything."""
        try:
            for _ in range(int(number)):
                connection = socket.create_connection((ADDRESS, self._port))
                connection.recv(1)
                if verb == "hold":
                    self._held.append(connection)
                else:
                    connection.close()
        except OSError as error:
            return f"connect: {error.strerror}"
        if verb == "ask":
            for connection in self._held:
                connection.send(b"?")
        while self._held and verb == "drop":
            connection = self._held.pop()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            connection.close()
        return "done"


ROLES: dict[str, Callable[[int], Server | Client]] = {"server": Server, "client": Client}


def main(role: str, name: str, port: str, files: str) -> None:
    """Do as told until there is nothing more."""
    with open("/proc/self/comm", "w", encoding="ascii") as comm:
        comm.write(name)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(int(files), most), most))
    actor = ROLES[role](int(port))
    try:
        for line in sys.stdin:
            print(actor.do(*line.split()), flush=True)  # noqa: T201
    except BrokenPipeError:  # who told us is gone; see the note on SIGPIPE in Python's library reference
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main(*sys.argv[1:])
