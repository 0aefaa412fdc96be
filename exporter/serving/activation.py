"""Take over the listening sockets of the service manager; see sd_listen_fds(3)."""

import os
import socket
from typing import Final

from exporter.serving.addresses import ServerError

_FIRST_DESCRIPTOR: Final = 3


def take_listeners() -> list[socket.socket]:
    """Return each socket that was passed to this process; children do not inherit them.

    Raises ServerError.
    """
    process, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if process != str(os.getpid()) or not count.isdecimal() or not int(count):
        raise ServerError("systemd passed no socket: start this command from a socket unit")
    return [_take(_FIRST_DESCRIPTOR + number) for number in range(int(count))]


def _take(descriptor: int) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the standard library names no keyword
        taken = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ServerError(f"descriptor {descriptor}: {os.strerror(error.errno or 0)}") from error
    is_tcp = taken.family in {socket.AF_INET, socket.AF_INET6} and taken.type == socket.SOCK_STREAM
    if not is_tcp or not taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise ServerError(
            f"descriptor {descriptor}: not a listening TCP socket; see systemd.socket(5), Accept=no"
        )
    taken.setblocking(False)  # noqa: FBT003 - the standard library names no keyword
    return taken
