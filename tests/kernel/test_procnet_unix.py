"""Unix sockets are counted although their names, which anybody may choose, stand raw in the table."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import states
from tests.support.kernel.parsed import (
    parse,
)
from tests.support.procfs_tree import (
    UNIX_HEADER,
    print_unix_row,
    read_captured,
)


@pytest.mark.parametrize(
    ("state", "flags", "expected"),
    [(1, 0, 1), (2, 0, 2), (3, 0, 3), (4, 0, 4), (1, 0x10000, states.LISTEN), (3, 0x30002, states.LISTEN)],
)
def test_unix_state(state: int, flags: int, expected: int) -> None:
    """Listening is a flag."""
    parsed = parse("unix", UNIX_HEADER + print_unix_row(state, flags))
    assert [(expected, 0, 0, (0, 0))] == parsed.rows


def test_captured_unix_table() -> None:
    """The line break in one name is a malformed row; what another name forges counts, as nothing tells it."""
    parsed = parse("unix", read_captured("unix"))
    assert Counter({1: 6, 2: 3, 3: 11, states.LISTEN: 2}) == Counter(row[0] for row in parsed.rows)
    assert parsed.malformed == 1


@pytest.mark.parametrize("path", [b"", b"/run/a b", b"@", b"\r\x85\x0b\x0c\xe2\x80\xa8", b"\xff\xfe", b": "])
def test_any_name_is_one_row(path: bytes) -> None:
    """No byte but a line feed ends a row."""
    parsed = parse("unix", UNIX_HEADER + print_unix_row(3, path=path))
    assert (len(parsed.rows), parsed.listed, parsed.malformed) == (1, 1, 0)


@given(name=st.binary(max_size=108))
def test_forger_adds_no_more_rows_than_line_breaks(name: bytes) -> None:
    """An honest row beside it is counted whatever the name is."""
    honest = print_unix_row(3, path=b"/run/honest")
    parsed = parse("unix", UNIX_HEADER + honest + print_unix_row(1, path=name) + honest)
    assert 3 <= len(parsed.rows) <= 3 + name.count(b"\n")
    assert parsed.listed == 3 + name.count(b"\n")


@pytest.mark.parametrize("state", [0, 5, 0x11])
def test_state_that_no_unix_socket_can_have(state: int) -> None:
    """The kernel makes the state up of two flags, so another is a forger's."""
    parsed = parse("unix", UNIX_HEADER + print_unix_row(state))
    assert (parsed.rows, parsed.malformed) == ([], 1)


def test_unix_row_whose_pointer_cannot_be_hashed_yet() -> None:
    row = print_unix_row(3).replace(b"0000000000000007:", b"(____ptrval____):")
    assert len(parse("unix", UNIX_HEADER + row).rows) == 1


def test_cut_last_unix_row() -> None:
    parsed = parse("unix", UNIX_HEADER + print_unix_row(3) + print_unix_row(3)[:-1])
    assert (len(parsed.rows), parsed.listed, parsed.malformed) == (1, 2, 1)
