"""Unix sockets are named as in procfs; what waits for accept is known by its listener alone."""

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.netlink import Block
from exporter.kernel.rows import StateRows
from exporter.kernel.unix_diag import MESSAGE_BYTES, ask_for_unix, parse_unix
from tests.support.kernel.messages import SHUTDOWN, accept_queue, message, unix
from tests.support.kernel.parsed import Parsed, check_rows, parse, parse_dump, read_dump, split_dump
from tests.support.procfs_tree import read_captured

LONGEST = 0xFFFF
BILLIONS = 0xFFFFFFFF


def parse_one(one: bytes) -> StateRows:
    """Parse a single message."""
    rows = parse_unix(Block(one, len(one)))
    check_rows(rows)
    return rows


def test_request() -> None:
    """All states, and the queues of listeners."""
    expected = pack("=BBHIIIII", 1, 0, 0, 0xFFF, 0, 0x10, 0, 0)
    assert (expected, MESSAGE_BYTES, 20) == ask_for_unix()


def test_states() -> None:
    messages = [unix(1), unix(7), unix(10, SHUTDOWN, accept_queue(3)), unix(10), unix(99)]
    expected = [states.UNKNOWN, 1, 2, 2, 2, 3, states.LISTEN, states.LISTEN]
    parsed = parse_dump("unix", b"".join(messages))
    assert expected == [row[0] for row in parsed.rows]
    assert (len(expected), 0) == (parsed.listed, parsed.malformed)


def test_queue_of_what_does_not_listen_is_not_looked_at() -> None:
    assert bytes([3]) == parse_one(unix(1, accept_queue(5))).states


@pytest.mark.parametrize(("waiting", "malformed"), [(LONGEST, 0), (LONGEST + 1, 1), (BILLIONS, 1)])
def test_queue_longer_than_can_be_is_malformed(waiting: int, malformed: int) -> None:
    """It takes neither memory nor time, and the listener is counted."""
    rows = parse_one(unix(states.LISTEN, accept_queue(waiting)))
    assert malformed == rows.malformed
    assert (0 if malformed else waiting) == rows.states.count(2)
    assert 1 == rows.states.count(states.LISTEN)


@pytest.mark.parametrize(
    "attribute", [pack("=HHI", 8, 4, 9), pack("=HHII", 13, 4, 9, 9), pack("=HHII", 3, 4, 9, 9), b"\4\0"]
)
def test_queue_that_is_cut_is_none(attribute: bytes) -> None:
    assert bytes([states.LISTEN]) == parse_one(unix(states.LISTEN, attribute)).states


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=60))
def test_any_message_is_a_row(fields: bytes, attributes: bytes) -> None:
    """Whatever is in it, and behind its fields."""
    one = message(fields + attributes)
    rows = parse_unix(Block(one * 2, len(one)))
    check_rows(rows)
    assert len(rows.states) - rows.states.count(2) == 2


@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=8))
def test_damaged_dump(damages: list[tuple[int, int]]) -> None:
    """No socket is lost for what its message says, and none is made but what waits."""
    blocks = [(bytearray(data), length) for data, length in split_dump("unix", read_dump("unix"))]
    for place, byte in damages:
        data, length = blocks[place % len(blocks)]
        behind_header = range(16, length)
        start = place // 7 % (len(data) // length) * length
        data[start + behind_header[place % len(behind_header)]] = byte
    for data, length in blocks:
        rows = parse_unix(Block(bytes(data), length))
        check_rows(rows)
        assert len(data) // length == len(rows.states) - rows.states.count(2)


def test_recorded_dump_counts_as_its_twin() -> None:
    """Only what a socket's name forges, a listener and a line that is no row, is not in a dump."""
    text, dump = parse("unix", read_captured("unix")), parse_dump("unix", read_dump("unix"))
    forged = (states.LISTEN, 0, 0, (0, 0))
    assert 1 == text.malformed
    assert sorted(text.rows) == sorted([*dump.rows, forged])
    assert Parsed(dump.rows, [], text.listed - 2, 0, 0, 0) == dump
