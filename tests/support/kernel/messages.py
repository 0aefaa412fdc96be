"""Make netlink messages as the kernel does."""

from socket import AF_INET
from struct import pack

from exporter.kernel import states
from exporter.kernel.netlink import SEQUENCE, SOCK_DIAG_BY_FAMILY

ERROR, DONE, MULTI, INTERRUPTED = 2, 3, 0x2, 0x10
PORT = 4711
SHUTDOWN = pack("=HHB3x", 5, 8, 0)
MARK = pack("=HHI", 8, 15, 7)
SHORTEST = 88
SOURCE, DESTINATION = bytes(range(1, 17)), bytes(range(17, 33))
COOKIE = (1 << 32) + 7


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
    tries: int = 0,
    inode: int = 0,
    cookie: int = 0,
    expires: int = 0,
    addresses: bytes = bytes(32),
    flags: int = MULTI,
    family: int = AF_INET,
) -> bytes:
    """Make a message of inet_diag; the queues are as in it, those received first."""
    start = pack("=BBBB", family, state, timer, tries) + pack("!HH", *ports) + addresses
    halves = cookie & 0xFFFFFFFF, cookie >> 32
    return message(start + pack("=8I", 0, *halves, expires, *queues, 0, inode) + attributes, flags=flags)


def whole(*attributes: bytes, state: int = states.CLOSE_WAIT, family: int = AF_INET) -> bytes:
    """Make a message with every field of its own."""
    return inet(
        (80, 40000),
        state,
        (1, 2),
        b"".join(attributes),
        inode=4,
        cookie=COOKIE,
        expires=1500,
        addresses=SOURCE + DESTINATION,
        family=family,
    )


def meminfo(drops: int, words: int = 9) -> bytes:
    """Make the attribute with the memory of a socket, as later kernels may lengthen it."""
    return pack("=HH8I", 4 + 4 * words, 7, *range(1, 9)) + pack("=I", drops) + bytes(4 * (words - 9))


def memory(receive: int, forward: int, send: int, backlog: int) -> bytes:
    """Make the attribute with the memory of a socket; limits and what was dropped are no memory."""
    return pack("=HH4Ii4I", 4 + 4 * 9, 7, receive, 99, 99, 99, forward, send, 99, backlog, 99)


def info(data_sent: int, data_received: int) -> bytes:
    """Make the attribute with tcp_info, of which two times are known."""
    payload = b"\xff" * 44 + pack("=III", data_sent, 7, data_received) + b"\xff" * 100
    return pack("=HH", 4 + len(payload), 2) + payload


PROTOCOL = pack("=HHB3x", 5, 10, 6)


def closed(  # noqa: PLR0913 - the fields of an event
    ports: tuple[int, int],
    *,
    queued: int = 0,
    sent: int = 0,
    sent_again: int = 0,
    received: int = 0,
    segments: int = 0,
    resent: int = 0,
    with_data: int = 1,
    delivered: int = 1,
    family: int = AF_INET,
    before: bytes = PROTOCOL,
    behind: int = 64,
) -> bytes:
    """Make the event of a socket that was destroyed; a later kernel may have more ``behind`` it."""
    payload = b"\xff" * 100 + pack("=I", resent) + b"\xff" * 24 + pack("=QI", received, segments)
    payload += b"\xff" * 12 + pack("=I", with_data) + b"\xff" * 36 + pack("=I", delivered) + b"\xff" * 4
    payload += pack("=QQ", sent, sent_again) + b"\xff" * behind
    attributes = before + pack("=HH", 4 + len(payload), 2) + payload
    return inet(ports, states.CLOSE, (0, queued), attributes, family=family, flags=0)


def cgroup(cgroup_id: int) -> bytes:
    """Make the attribute with the id of a socket's cgroup."""
    return pack("=HHQ", 12, 21, cgroup_id)


def unix(state: int, *attributes: bytes) -> bytes:
    """Make a message of unix_diag."""
    return message(pack("=BBBxIII", 1, 1, state, 7, 0, 0) + b"".join(attributes))


def accept_queue(waiting: int, limit: int = 128) -> bytes:
    """Make the attribute with the queue of a unix listener."""
    return pack("=HHII", 12, 4, waiting, limit)


def done(error: int = 0) -> bytes:
    """Make the end of a dump."""
    return message(pack("=i", error), DONE)
