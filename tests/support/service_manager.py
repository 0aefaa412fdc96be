"""The other end of sd_notify(3): what a service manager is told."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.daemon import PATIENCE_SECONDS


class Manager(socket.socket):
    """Hears what is sent to ``name``, as NOTIFY_SOCKET spells it."""

    @property
    def name(self) -> str:
        """Where it listens; the name is abstract where that begins with an @."""
        name = self.getsockname()
        return name if isinstance(name, str) else f"@{name[1:].decode()}"

    def next(self) -> dict[str, str]:
        """Return the assignments of the next message."""
        return dict(line.split("=", 1) for line in self.recv(4096).decode().splitlines())

    def wait_for(self, **assignments: str) -> dict[str, str]:
        """Return the next message that has these assignments."""
        while not (message := self.next()).items() >= assignments.items():
            pass
        return message


@contextmanager
def listening_manager(path: str = "") -> Iterator[Manager]:
    """Listen at a path, or at an abstract name that the kernel chooses."""
    with Manager(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(PATIENCE_SECONDS)
        manager.bind(path)
        yield manager
