"""What a live test made, as the process that holds it says it."""

import socket
from typing import NamedTuple

Kept = list[socket.socket]
"""Sockets that stay open as long as they are in here."""


class Made(NamedTuple):
    """``sockets`` that a table lists alike.

    The direction is that of who opened the connection, empty where it has no meaning. The queues are each
    socket's; a listener's receive queue counts connections.
    """

    table: str
    state: str
    local_port: int = 0
    remote_port: int = 0
    direction: str = ""
    sockets: int = 1
    receive_queue: int = 0
    send_queue: int = 0
    drops: int = 0

    def told(self) -> dict[str, str | int]:
        """Return what is out of the ordinary, from which ``Made(**told)`` is made again."""
        return {
            name: value
            for name, value in self._asdict().items()
            if name not in self._field_defaults or value != self._field_defaults[name]
        }


def table_of(protocol: str, family: int) -> str:
    """Return the name of a protocol's table, as the kernel's: ``tcp``, ``tcp6``."""
    return f"{protocol}6" if family == socket.AF_INET6 else protocol
