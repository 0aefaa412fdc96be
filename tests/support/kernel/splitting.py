"""Split what was received as a dump is, and see the single messages."""

from struct import unpack

from exporter.kernel.netlink import SEQUENCE, SOCK_DIAG_BY_FAMILY, Block, MessageSplitter
from tests.support.kernel.messages import DONE, ERROR, INTERRUPTED, SHORTEST, SHUTDOWN, inet

MINISOCKET = inet((80, 1), 6)
SOCKET = inet((80, 2), 1, attributes=SHUTDOWN)


def split(*datagrams: bytes) -> tuple[list[Block], bool]:
    """Split what was received one after the other, until it ends, as ``dump`` does."""
    splitter = MessageSplitter(SHORTEST)
    blocks: list[Block] = []
    for datagram in datagrams:
        if not splitter.done:
            blocks += splitter.split(memoryview(datagram))
    return blocks, splitter.done


def messages_of(blocks: list[Block]) -> list[bytes]:
    """Return the single messages, sorted."""
    return sorted(
        block.data[i : i + block.length] for block in blocks for i in range(0, len(block.data), block.length)
    )


def split_naively(datagrams: list[bytes]) -> tuple[list[bytes], bool] | None:
    """Return the messages one by one, and whether they end; None where one is not whole or is an error."""
    found, ended = [], False
    for datagram in datagrams:
        at = 0
        while at < len(datagram) and not ended:
            header = datagram[at : at + 16]
            length, kind, flags, number, _ = unpack("=IHHII", header.ljust(16, b"\0"))
            payload = datagram[at + 16 : at + length]
            if length < 16 or at + length > len(datagram):
                return None
            if number == SEQUENCE:
                if flags & INTERRUPTED or kind not in {1, ERROR, DONE, SOCK_DIAG_BY_FAMILY}:
                    return None
                if kind == SOCK_DIAG_BY_FAMILY and (length < SHORTEST or length % 4):
                    return None
                if kind == SOCK_DIAG_BY_FAMILY:
                    found.append(datagram[at : at + length])
                if kind in {ERROR, DONE} and payload[:4] != bytes(4):
                    return None
                ended = kind in {ERROR, DONE}
            at += -(-length // 4) * 4
    return sorted(found), ended
