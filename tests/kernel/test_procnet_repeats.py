"""A socket of TCP counts once, however often the kernel lists it, and wherever its table is cut."""

from functools import lru_cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.rows import Listener
from exporter.kernel.tables import TABLES
from tests.support.kernel.parsed import (
    GOOD,
    HEADER,
    WITH_STATES_OF_UDP,
    Parsed,
    parse,
    parse_naively,
    split_lines,
)
from tests.support.procfs_tree import (
    Printed,
    print_row,
    print_table,
    read_captured,
)


def test_repeated_row_in_a_block() -> None:
    parsed = parse("tcp", HEADER + GOOD[0] + GOOD[1] + GOOD[0] + GOOD[2])
    assert parse_naively(HEADER + b"".join(GOOD)) == parsed.rows
    assert (parsed.listed, parsed.malformed, parsed.repeated) == (4, 0, 1)


@pytest.mark.parametrize("table", ["tcp", "tcp6"])
def test_row_repeated_in_the_next_block(table: str) -> None:
    """The kernel resumes in the bucket where it stopped, and lists a row of it again."""
    first, second, third = (print_row(table, Printed(i, peer=i)) for i in range(3))
    parsed = parse(table, print_table(table) + first + second, second + third)
    assert [0, 1, 2] == [row[1] for row in parsed.rows]
    assert (parsed.listed, parsed.repeated) == (4, 1)


@pytest.mark.parametrize("table", WITH_STATES_OF_UDP)
def test_repeats_of_udp_are_kept(table: str) -> None:
    """They make up for the rows that the kernel skips."""
    row = print_row(table, Printed(53, state=7))
    parsed = parse(table, print_table(table) + row + row, row)
    assert (len(parsed.rows), parsed.repeated) == (3, 0)


@pytest.mark.parametrize("cut", [False, True])
def test_listeners_that_share_an_address_are_two(*, cut: bool) -> None:
    """With SO_REUSEPORT they differ by inode only, in a block or across two; one listed twice is one."""
    one, two = (print_row("tcp", Printed(80, state=states.LISTEN, inode=inode)) for inode in (7, 8))
    blocks = [HEADER + one + two, two + one] if cut else [HEADER + one + two + two + one]
    parsed = parse("tcp", *blocks)
    assert [Listener(80, bytes(16), 0, None, inode, 0) for inode in (7, 8)] == parsed.listeners
    assert parsed.repeated == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Printed(80, 9, states.ESTABLISHED, inode=7), Printed(80, 9, states.TIME_WAIT, inode=0, timer=3)),
        (Printed(80, 9, states.SYN_RECV, inode=0, timer=1), Printed(80, 9, states.ESTABLISHED, inode=7)),
        (Printed(80, 9, states.ESTABLISHED, inode=7), Printed(80, 9, states.CLOSE_WAIT, inode=7)),
    ],
)
def test_socket_that_changes_while_it_is_listed_again(before: Printed, after: Printed) -> None:
    """It is counted in the state in which it was seen first."""
    parsed = parse("tcp", print_table("tcp", [before]), print_row("tcp", after))
    assert [before.state] == [row[0] for row in parsed.rows]
    assert parsed.repeated == 1


def test_repeats_are_no_minisockets() -> None:
    """Of a TIME_WAIT and of a TCP Fast Open socket listed twice, one is a minisocket."""
    rows = [
        Printed(80, 9, states.TIME_WAIT, inode=0, timer=3, peer=1),
        Printed(80, 9, states.SYN_RECV, inode=7, timer=1, peer=2),
    ]
    parsed = parse("tcp", print_table("tcp", [*rows, *rows]))
    assert (parsed.listed, parsed.repeated, parsed.minisockets) == (4, 2, 1)


cuts = st.lists(st.integers(0, 1000), max_size=10)


def cut_blocks(lines: list[bytes], places: list[int]) -> list[bytes]:
    """Join the lines, but for cuts after some of them."""
    edges = [0, *sorted({place % len(lines) for place in places} - {0}), len(lines)]
    return [b"".join(lines[a:b]) for a, b in pairwise(edges)]


@pytest.mark.parametrize("table", TABLES)
@given(places=cuts)
def test_blocks_make_no_difference(table: str, places: list[int]) -> None:
    """However the lines of a captured table come, the same is found."""
    blocks = cut_blocks(split_lines(read_captured(table)), places)
    assert parse_whole(table) == parse(table, *blocks)


@lru_cache
def parse_whole(table: str) -> Parsed:
    """Parse a captured table in one block."""
    return parse(table, read_captured(table))
