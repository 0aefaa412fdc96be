"""A dump is split into the messages that the kernel sent, or SockDiagError is raised."""

import errno
import os
import resource
import socket
import sys
import time
from contextlib import ExitStack
from struct import pack, pack_into, unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel.netlink import (
    NETLINK_SOCK_DIAG,
    SEQUENCE,
    SOCK_DIAG_BY_FAMILY,
    Block,
    MessageSplitter,
    Question,
    Reason,
    SockDiagError,
    ask_twice_if_busy,
    dump,
    encode_request,
    receive,
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

MINISOCKET = inet((80, 1), 6)
SOCKET = inet((80, 2), 1, attributes=SHUTDOWN)
NETLINK_USERSOCK = 2


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


@given(st.lists(st.binary(max_size=300)))
def test_any_bytes_are_split_or_refused(datagrams: list[bytes]) -> None:
    check_split(datagrams)


PIECES = st.lists(
    st.one_of(
        st.sampled_from([MINISOCKET, SOCKET, inet((1, 2), 1, attributes=bytes(12)), done()]),
        st.sampled_from([SOCKET[:16], message(SOCKET[16:], number=1), message(b"", 1)]),
        st.sampled_from([MINISOCKET, SOCKET]).flatmap(
            lambda one: st.builds(flip, st.just(one), st.integers(0, len(one) - 1), st.integers(0, 255))
        ),
    )
).map(b"".join)


@given(st.lists(PIECES, max_size=4))
def test_messages_and_what_is_none_in_any_order(datagrams: list[bytes]) -> None:
    check_split(datagrams)


@pytest.mark.parametrize("table", ["tcp", "tcp6", "udp6"])
@given(data=st.data())
def test_damaged_dumps_are_split_or_refused(table: str, data: st.DataObject) -> None:
    """A few bytes of a recorded dump are others, the headers' most often."""
    recorded = read_dump(table)[: 40 * SHORTEST]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.sampled_from(starts_of(read_dump(table)[: 40 * SHORTEST])))
        place = start + data.draw(st.integers(0, 20))
        recorded = flip(recorded, place % len(recorded), data.draw(st.integers(0, 255)))
    check_split([recorded])


def flip(data: bytes, place: int, byte: int) -> bytes:
    """Return the data with another byte at a place."""
    return data[:place] + bytes([byte]) + data[place + 1 :]


def starts_of(data: bytes) -> list[int]:
    """Return where the messages of a dump begin."""
    starts = [0]
    while (following := starts[-1] + int.from_bytes(data[starts[-1] : starts[-1] + 4], sys.byteorder)) < len(
        data
    ):
        starts.append(following)
    return starts


def check_split(datagrams: list[bytes]) -> None:
    """Check that a naive reader finds the same messages, and gives up where SockDiagError is raised."""
    try:
        blocks, ended = split(*datagrams)
    except SockDiagError:
        assert split_naively(datagrams) is None
        return
    assert all(len(block.data) % block.length == 0 and block.length >= SHORTEST for block in blocks)
    assert (messages_of(blocks), ended) == split_naively(datagrams)


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


@pytest.mark.parametrize("table", IN_SOCKDIAG)
def test_recorded_dump_is_whole(table: str) -> None:
    splitter = MessageSplitter(question_of(table).shortest)
    blocks = splitter.split(memoryview(read_dump(table)))
    assert splitter.done
    end = len(done())
    assert sum(len(block.data) for block in blocks) == len(read_dump(table)) - end


def test_what_the_kernel_lacks_is_unavailable() -> None:
    """The kernel answers with an empty dump, whose end has an error number."""
    with pytest.raises(SockDiagError) as caught:
        list(dump(Question(pack("=BBBxI48x", socket.AF_INET, 250, 0, 0xFFF), SHORTEST), time.monotonic() + 5))
    assert Reason.UNAVAILABLE == caught.value.reason


def test_unknown_family_is_unavailable() -> None:
    with pytest.raises(SockDiagError) as caught:
        list(dump(Question(pack("=BBBxI48x", 0, 6, 0, 0xFFF), SHORTEST), time.monotonic() + 5))
    assert Reason.UNAVAILABLE == caught.value.reason


def test_no_descriptor_left_is_transient() -> None:
    """What the system refuses while it has no more is an error of a dump as any other."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as last:
        resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno(), hard))
    try:
        with pytest.raises(SockDiagError, match=os.strerror(errno.EMFILE)) as caught:
            next(dump(question_of("tcp"), time.monotonic() + 5))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert Reason.TRANSIENT == caught.value.reason


@pytest.mark.parametrize(
    ("reasons", "asked"),
    [
        ([], 1),
        ([Reason.TRANSIENT], 2),
        ([Reason.TRANSIENT, Reason.TRANSIENT], 2),
        ([Reason.UNAVAILABLE], 1),
        ([Reason.TIMEOUT], 1),
    ],
)
def test_asking_twice(reasons: list[Reason], asked: int) -> None:
    """Only what may be better at once is asked for again, and that once."""
    left = [SockDiagError(reason, "no") for reason in reasons]
    calls = []

    def ask() -> str:
        calls.append(1)
        if left:
            raise left.pop(0)
        return "answer"

    if asked > len(reasons):
        assert "answer" == ask_twice_if_busy(ask)
    else:
        with pytest.raises(SockDiagError) as caught:
            ask_twice_if_busy(ask)
        assert reasons[-1] == caught.value.reason
    assert asked == len(calls)


@pytest.fixture
def channel() -> socket.socket:
    """Open a netlink socket, and ask nothing."""
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)


def test_no_answer_is_a_timeout(channel: socket.socket) -> None:
    with channel, pytest.raises(SockDiagError) as caught:
        receive(channel, memoryview(bytearray(100)), time.monotonic() + 0.05)
    assert Reason.TIMEOUT == caught.value.reason


def test_deadline_ends_a_dump() -> None:
    with pytest.raises(SockDiagError) as caught:
        next(dump(question_of("tcp"), time.monotonic()))
    assert Reason.TIMEOUT == caught.value.reason


def test_cut_datagram_is_an_error(channel: socket.socket) -> None:
    """A table with more sockets than fit into the buffer never seems to have fewer."""
    with channel, ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)).bind(("127.0.0.1", 0))
        channel.send(encode_request(question_of("udp")))
        with pytest.raises(SockDiagError, match="cut") as caught:
            receive(channel, memoryview(bytearray(500)), time.monotonic() + 5)
    assert Reason.TRANSIENT == caught.value.reason


def test_what_others_send_is_ignored() -> None:
    """Datagrams that are not the kernel's are no answer, however well they look."""
    ours, theirs = (socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_USERSOCK) for _ in range(2))
    with ours, theirs:
        ours.bind((0, 0))
        theirs.sendto(SOCKET + done(), (ours.getsockname()[0], 0))
        with pytest.raises(SockDiagError) as caught:
            receive(ours, memoryview(bytearray(1000)), time.monotonic() + 0.05)
    assert Reason.TIMEOUT == caught.value.reason


@pytest.mark.parametrize("request_bytes", [question_of("unix").request, bytes(8)])
def test_socket_is_closed(request_bytes: bytes) -> None:
    """Also when nobody wants the rest, and after an error."""
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        try:
            next(dump(Question(request_bytes, 32), time.monotonic() + 5))
        except SockDiagError as error:
            assert Reason.UNAVAILABLE == error.reason  # noqa: PT017 - one of the two requests is refused
    assert before == os.listdir("/proc/self/fd")
