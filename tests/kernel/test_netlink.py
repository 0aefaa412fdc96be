"""A dump is cut into the messages that the kernel sent, or SockDiagError is raised."""

import errno
import os
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from struct import pack, pack_into

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel.netlink import (
    NETLINK_SOCK_DIAG,
    SOCK_DIAG_BY_FAMILY,
    Block,
    Cutter,
    Question,
    Reason,
    SockDiagError,
    dump,
    encode_request,
    receive,
)
from exporter.kernel.sockdiag import question_of
from exporter.kernel.tables import TABLES
from tests.support.kernel.messages import DONE, ERROR, INTERRUPTED, SHORTEST, SHUTDOWN, done, inet, message

FIXTURES = Path(__file__).parents[1] / "fixtures"
MINISOCKET = inet((80, 1), 6)
SOCKET = inet((80, 2), 1, attributes=SHUTDOWN)
NETLINK_USERSOCK = 2


def cut(*datagrams: bytes) -> tuple[list[Block], bool]:
    """Cut what was received one after the other."""
    cutter = Cutter(SHORTEST)
    blocks = [block for datagram in datagrams for block in cutter.cut(memoryview(datagram))]
    return blocks, cutter.done


def messages_of(blocks: list[Block]) -> list[bytes]:
    """Return the single messages, sorted."""
    return sorted(
        block.data[i : i + block.length] for block in blocks for i in range(0, len(block.data), block.length)
    )


@given(st.lists(st.lists(st.sampled_from([0, 8, 28, 36, 44, 52, 60]))))
def test_every_message_is_cut_once(chunks: list[list[int]]) -> None:
    """Whatever their lengths and however they follow each other, those beyond what is learned included."""
    datagrams = [
        [inet((i, j), 1, attributes=bytes(n)) for j, n in enumerate(c)] for i, c in enumerate(chunks)
    ]
    blocks, ended = cut(*map(b"".join, datagrams), done())
    assert sorted(one for datagram in datagrams for one in datagram) == messages_of(blocks)
    assert ended


def test_messages_keep_their_order_within_a_length() -> None:
    datagram = b"".join(inet((port, 0), 1) for port in range(9))
    assert [Block(datagram, SHORTEST)] == cut(datagram)[0]


def test_end_may_share_a_datagram_with_messages() -> None:
    assert ([Block(MINISOCKET, SHORTEST)], True) == cut(MINISOCKET + done())


def test_nothing_behind_the_end_is_cut() -> None:
    assert ([Block(MINISOCKET, SHORTEST)], True) == cut(MINISOCKET + done() + SOCKET)


def test_foreign_answers_are_ignored() -> None:
    """Neither a socket nor an end nor an error of another request is ours."""
    foreign = [
        message(SOCKET[16:], number=1),
        message(bytes(4), DONE, number=2),
        message(pack("=i", -errno.EPERM), ERROR, number=3),
    ]
    assert ([Block(MINISOCKET, SHORTEST)], False) == cut(b"".join(foreign) + MINISOCKET)


def test_messages_are_padded() -> None:
    """The next begins where four bytes do."""
    assert ([Block(MINISOCKET, SHORTEST)], True) == cut(
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
        cut(message(pack("=i", -error) + encode_request(Question(b"request", SHORTEST)), kind))
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
    """Also behind messages that are cut all at once."""
    for before in ((), (MINISOCKET * 3,), (SOCKET, SOCKET * 3)):
        with pytest.raises(SockDiagError) as caught:
            cut(*before[:-1], b"".join(before[-1:]) + datagram)
        assert Reason.TRANSIENT == caught.value.reason


@given(st.lists(st.binary(max_size=300)))
def test_any_bytes_are_cut_or_refused(datagrams: list[bytes]) -> None:
    check_cut(datagrams)


@given(st.data())
def test_damaged_dumps_are_cut_or_refused(data: st.DataObject) -> None:
    """One byte of a recorded dump is another."""
    recorded = bytearray((FIXTURES / "sockdiag_tcp.bin").read_bytes()[: 40 * SHORTEST])
    place = data.draw(st.integers(0, len(recorded) - 1))
    recorded[place] = data.draw(st.integers(0, 255))
    check_cut([bytes(recorded)])


def check_cut(datagrams: list[bytes]) -> None:
    """No more comes out than went in, and nothing is raised but SockDiagError."""
    try:
        blocks, _ = cut(*datagrams)
    except SockDiagError:
        return
    assert all(len(block.data) % block.length == 0 and block.length >= SHORTEST for block in blocks)
    assert sum(len(block.data) for block in blocks) <= sum(map(len, datagrams))


def test_what_the_kernel_lacks_is_unavailable() -> None:
    """The kernel answers with an empty dump, whose end has an error number."""
    with pytest.raises(SockDiagError) as caught:
        list(dump(Question(pack("=BBBxI48x", socket.AF_INET, 250, 0, 0xFFF), SHORTEST), time.monotonic() + 5))
    assert Reason.UNAVAILABLE == caught.value.reason


def test_unknown_family_is_unavailable() -> None:
    with pytest.raises(SockDiagError) as caught:
        list(dump(Question(pack("=BBBxI48x", 0, 6, 0, 0xFFF), SHORTEST), time.monotonic() + 5))
    assert Reason.UNAVAILABLE == caught.value.reason


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
        next(dump(question_of(TABLES["tcp"]), time.monotonic()))
    assert Reason.TIMEOUT == caught.value.reason


def test_cut_datagram_is_an_error(channel: socket.socket) -> None:
    """A table with more sockets than fit into the buffer never seems to have fewer."""
    with channel, ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)).bind(("127.0.0.1", 0))
        channel.send(encode_request(question_of(TABLES["udp"])))
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


@pytest.mark.parametrize("request_bytes", [question_of(TABLES["unix"]).request, bytes(8)])
def test_socket_is_closed(request_bytes: bytes) -> None:
    """Also when nobody wants the rest, and after an error."""
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        try:
            next(dump(Question(request_bytes, 32), time.monotonic() + 5))
        except SockDiagError as error:
            assert Reason.UNAVAILABLE == error.reason  # noqa: PT017 - one of the two requests is refused
    assert before == os.listdir("/proc/self/fd")
