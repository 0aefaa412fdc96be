"""A dump is split into the messages that the kernel sent, or SockDiagError is raised."""

import errno
import os
from struct import pack, pack_into

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel.dumps import encode_request
from exporter.kernel.netlink import (
    SOCK_DIAG_BY_FAMILY,
    Block,
    MessageSplitter,
    Question,
    Reason,
    SockDiagError,
)
from tests.support.kernel.messages import (
    DONE,
    ERROR,
    INTERRUPTED,
    MULTI,
    SHORTEST,
    SHUTDOWN,
    done,
    inet,
    message,
)
from tests.support.kernel.parsed import IN_SOCKDIAG, question_of, read_dump
from tests.support.kernel.splitting import MINISOCKET, SOCKET, messages_of, split, split_naively


@given(st.lists(st.lists(st.sampled_from([0, 8, 28, 36, 44, 52, 60]))))
def test_every_message_is_split_off_once(chunks: list[list[int]]) -> None:
    """Whatever their lengths and however they follow each other, those beyond what is learned included."""
    datagrams = [
        [inet((i, j), 1, attributes=bytes(n)) for j, n in enumerate(c)] for i, c in enumerate(chunks)
    ]
    blocks, ended = split(*map(b"".join, datagrams), done())
    assert sorted(one for datagram in datagrams for one in datagram) == messages_of(blocks)
    assert ended


def test_messages_keep_their_order_within_a_length() -> None:
    datagram = b"".join(inet((port, 0), 1) for port in range(9))
    assert [Block(datagram, SHORTEST)] == split(datagram)[0]


def test_end_may_share_a_datagram_with_messages() -> None:
    assert ([Block(MINISOCKET, SHORTEST)], True) == split(MINISOCKET + done())


def test_nothing_behind_the_end_is_read() -> None:
    assert ([Block(MINISOCKET, SHORTEST)], True) == split(MINISOCKET + done() + SOCKET)


def test_foreign_answers_are_ignored() -> None:
    """Neither a socket nor an end nor an error of another request is ours."""
    foreign = [
        message(SOCKET[16:], number=1),
        message(bytes(4), DONE, number=2),
        message(pack("=i", -errno.EPERM), ERROR, number=3),
    ]
    assert ([Block(MINISOCKET, SHORTEST)], False) == split(b"".join(foreign) + MINISOCKET)


def test_messages_are_padded() -> None:
    """The next begins where four bytes do."""
    assert ([Block(MINISOCKET, SHORTEST)], True) == split(
        message(b"1", number=1) + bytes(3) + MINISOCKET + done()
    )


@pytest.mark.parametrize("kind", [ERROR, DONE])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errno.ENOENT, Reason.UNAVAILABLE),
        (errno.EOPNOTSUPP, Reason.UNAVAILABLE),
        (errno.EPERM, Reason.UNAVAILABLE),
        (errno.EACCES, Reason.UNAVAILABLE),
        (errno.EINVAL, Reason.UNAVAILABLE),
        (errno.EBUSY, Reason.TRANSIENT),
        (errno.ENOBUFS, Reason.TRANSIENT),
        (errno.ENOMEM, Reason.TRANSIENT),
    ],
)
def test_errors_of_the_kernel(kind: int, error: int, reason: Reason) -> None:
    """They arrive alone, or at the end of a dump without any socket."""
    with pytest.raises(SockDiagError, match=os.strerror(error)) as caught:
        split(message(pack("=i", -error) + encode_request(Question(b"request", SHORTEST)), kind))
    assert reason == caught.value.reason


def with_length(length: int) -> bytes:
    """Return a message that lies about its length."""
    lying = bytearray(SOCKET)
    pack_into("=I", lying, 0, length)
    return bytes(lying)


@pytest.mark.parametrize(
    "datagram",
    [
        with_length(0),
        with_length(15),
        with_length(len(SOCKET) + 4),
        with_length(0xFFFFFFFF),
        with_length(SHORTEST - 4),
        with_length(SHORTEST + 1),
        SOCKET[:-1],
        SOCKET[:15],
        message(bytes(72), kind=99),
        message(b"", DONE),
        message(b"", ERROR),
        message(bytes(SHORTEST - 16 - 4)),
        pack("=IHHII", 0, SOCK_DIAG_BY_FAMILY, 0, 1, 0),
        inet((1, 2), 1, flags=INTERRUPTED),
    ],
)
def test_what_is_not_whole_is_an_error(datagram: bytes) -> None:
    """Also behind messages that are split all at once."""
    for before in ((), (MINISOCKET * 3,), (SOCKET, SOCKET * 3)):
        with pytest.raises(SockDiagError) as caught:
            split(*before[:-1], b"".join(before[-1:]) + datagram)
        assert Reason.TRANSIENT == caught.value.reason


@pytest.mark.parametrize("kind", [ERROR, DONE])
@pytest.mark.parametrize("number", [-(1 << 31), (1 << 31) - 1, 1, -4095, -524])
def test_error_that_is_none_is_malformed(kind: int, number: int) -> None:
    """The C library has no text for it, and may not even take it."""
    with pytest.raises(SockDiagError, match=f"malformed: error number {-number}$") as caught:
        split(message(pack("=i", number), kind))
    assert Reason.TRANSIENT == caught.value.reason


@pytest.mark.parametrize("lengths", [(0,), (8,), (0, 8, 28, 36, 44, 52, 60)])
def test_lengths_are_learned(lengths: tuple[int, ...]) -> None:
    """What was learned of earlier datagrams changes nothing in later ones, however these begin."""
    datagram = b"".join(inet((length, 1), 1, attributes=bytes(length)) for length in lengths * 3)
    learned, _ = split(datagram, datagram)
    once, _ = split(datagram)
    assert messages_of(learned) == sorted(messages_of(once) * 2)
    assert split_naively([datagram]) == (messages_of(once), False)


def test_flags_of_later_kernels_cost_no_message() -> None:
    """A header that is not the usual one is read on its own, and all others with it."""
    odd = inet((80, 3), 1, attributes=SHUTDOWN, flags=MULTI | 0x20)
    assert sorted([SOCKET, odd, MINISOCKET]) == messages_of(split(SOCKET, odd + MINISOCKET)[0])


@pytest.mark.parametrize("table", IN_SOCKDIAG)
def test_recorded_dump_is_whole(table: str) -> None:
    splitter = MessageSplitter(question_of(table).shortest)
    blocks = splitter.split(memoryview(read_dump(table)))
    assert splitter.done
    end = len(done())
    assert sum(len(block.data) for block in blocks) == len(read_dump(table)) - end
