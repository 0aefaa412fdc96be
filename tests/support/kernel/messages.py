"""Make netlink messages as the kernel does."""

from socket import AF_INET
from struct import pack

from exporter.kernel.netlink import SEQUENCE, SOCK_DIAG_BY_FAMILY

ERROR, DONE, MULTI, INTERRUPTED = 2, 3, 0x2, 0x10
PORT = 4711
SHUTDOWN = pack("=HHB3x", 5, 8, 0)
SHORTEST = 88


def message(
    payload: bytes, kind: int = SOCK_DIAG_BY_FAMILY, flags: int = MULTI, number: int = SEQUENCE
) -> bytes:
    """Put a header before a payload."""
    return pack("=IHHII", 16 + len(payload), kind, flags, number, PORT) + payload


def inet(  # noqa: PLR0913 - the fields of a message
    ports: tuple[int, int],
    state: int,
    queues: tuple[int, int] = (0, 0),
    attributes: bytes = b"",
    *,
    timer: int = 0,
    inode: int = 0,
    flags: int = MULTI,
    family: int = AF_INET,
) -> bytes:
    """Make a message of inet_diag; the queues are as in it, those received first."""
    start = pack("=BBBB", family, state, timer, 0) + pack("!HH", *ports)
    return message(start + bytes(44) + pack("=5I", 0, *queues, 0, inode) + attributes, flags=flags)


def done(error: int = 0) -> bytes:
    """Make the end of a dump."""
    return message(pack("=i", error), DONE)
