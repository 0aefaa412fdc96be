"""Whatever is received, it is split as a naive reader would, or SockDiagError is raised."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel.netlink import (
    SockDiagError,
)
from tests.support.kernel.messages import (
    INTERRUPTED,
    SHORTEST,
    done,
    inet,
    message,
)
from tests.support.kernel.parsed import read_dump
from tests.support.kernel.splitting import MINISOCKET, SOCKET, messages_of, split, split_naively


@given(st.lists(st.binary(max_size=300)))
def test_any_bytes_are_split_or_refused(datagrams: list[bytes]) -> None:
    check_split(datagrams)


ODD_HEADER = inet((1, 2), 1, flags=0)
PIECES = st.lists(
    st.one_of(
        st.sampled_from([MINISOCKET, SOCKET, inet((1, 2), 1, attributes=bytes(12)), done()]),
        st.sampled_from([SOCKET[:16], message(SOCKET[16:], number=1), message(b"", 1)]),
        st.sampled_from([ODD_HEADER, message(MINISOCKET[16:], number=1), inet((1, 2), 1, flags=INTERRUPTED)]),
        st.sampled_from([MINISOCKET, SOCKET]).flatmap(
            lambda one: st.builds(flip, st.just(one), st.integers(0, len(one) - 1), st.integers(0, 255))
        ),
    )
).map(b"".join)


@given(st.lists(PIECES, max_size=4))
def test_messages_and_what_is_none_in_any_order(datagrams: list[bytes]) -> None:
    check_split(datagrams)


@pytest.mark.parametrize(
    "odd",
    [message(MINISOCKET[16:], number=1), inet((1, 2), 1, flags=INTERRUPTED)],
    ids=["foreign", "interrupted"],
)
def test_headers_are_read_where_a_length_is_known(odd: bytes) -> None:
    """One message among many of its length that answers another request, or says that sockets changed."""
    check_split([MINISOCKET * 3 + odd + MINISOCKET * 3])
    check_split([MINISOCKET * 3, MINISOCKET * 3 + odd])


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
