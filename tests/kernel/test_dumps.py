"""A dump is asked for and received whole, or SockDiagError is raised."""

import errno
import os
import resource
import socket
import time
from contextlib import ExitStack
from struct import pack

import pytest

from exporter.kernel.dumps import dump, encode_request, receive, retry_once
from exporter.kernel.inet_diag import PORTS
from exporter.kernel.inet_requests import ONLY_LISTEN, WANT_INFO, ask_for_tcp
from exporter.kernel.netlink import NETLINK_SOCK_DIAG, Question, Reason, SockDiagError
from tests.support.kernel.messages import (
    SHORTEST,
    done,
)
from tests.support.kernel.parsed import question_of
from tests.support.kernel.splitting import SOCKET

NETLINK_USERSOCK = 2
DATAGRAM_BYTES = 1 << 15


def test_what_the_kernel_lacks_is_unavailable() -> None:
    """The kernel answers with an empty dump, whose end has an error number."""
    with pytest.raises(SockDiagError) as caught:
        list(dump(Question(pack("=BBBxI48x", socket.AF_INET, 250, 0, 0xFFF), SHORTEST), time.monotonic() + 5))
    assert Reason.UNAVAILABLE == caught.value.reason


def test_unknown_family_is_unavailable() -> None:
    with pytest.raises(SockDiagError) as caught:
        list(dump(Question(pack("=BBBxI48x", 0, 6, 0, 0xFFF), SHORTEST), time.monotonic() + 5))
    assert Reason.UNAVAILABLE == caught.value.reason


def test_long_dump_is_whole() -> None:
    """The buffer always has room for one more datagram; after the first two, eight come at a time."""
    number = 900
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(2 * number, hard)), hard))
    try:
        with ExitStack() as stack:
            servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
            ports = {server.getsockname()[1] for server in servers}
            question = ask_for_tcp(ONLY_LISTEN, attributes=WANT_INFO)
            answers = list(dump(question, time.monotonic() + 5))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    messages = [message for blocks in answers for block in blocks for message in block.messages()]
    assert ports <= {PORTS.unpack_from(message)[0] for message in messages}
    assert len(answers) <= 2 + sum(map(len, messages)) // (8 * DATAGRAM_BYTES)


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
        assert "answer" == retry_once(ask)
    else:
        with pytest.raises(SockDiagError) as caught:
            retry_once(ask)
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
