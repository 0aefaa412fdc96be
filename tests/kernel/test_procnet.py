"""Rows are what a naive reader of the table would find; what is no row is counted, and never raises."""

import re
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import procnet, states
from exporter.kernel.counters import parse_sockstat
from exporter.kernel.procnet import ProcnetError, parse_table
from exporter.kernel.rows import Listener, Queues
from exporter.kernel.tables import TABLES
from tests.support.kernel.parsed import (
    GOOD,
    HEADER,
    INTERNET,
    WITH_STATES_OF_UDP,
    Parsed,
    parse,
    parse_naively,
)
from tests.support.procfs_tree import (
    CAPTURED,
    UNIX_HEADER,
    Printed,
    print_row,
    print_table,
    read_captured,
)

LONGEST_TABLE_LINES = 40


def test_sample_in_the_description() -> None:
    """What the row at the top of the module says is what is read of it."""
    found = re.search(r"^    (0: .*) \.\.\.$", str(procnet.__doc__), re.MULTILINE)
    assert found
    (socket,) = parse("tcp", HEADER + found[1].encode() + b"\n").sockets
    loopback = bytes([127, 0, 0, 1]).ljust(16, b"\0")
    assert (states.CLOSE_WAIT, 8080, 50000, Queues(0, 1), loopback, loopback, 24362) == socket


@pytest.mark.parametrize("table", INTERNET)
def test_captured_table(table: str) -> None:
    parsed = parse(table, read_captured(table))
    assert parse_naively(read_captured(table)) == parsed.rows
    assert len(parsed.rows) == parsed.listed > 0
    assert (parsed.malformed, parsed.repeated) == (0, 0)


@pytest.mark.parametrize("table", ["tcp", "tcp6"])
def test_minisockets_are_the_rows_that_end_early(table: str) -> None:
    ending_early = sum(len(line.split()) == 12 for line in read_captured(table).splitlines()[1:])
    assert ending_early == parse(table, read_captured(table)).minisockets > 0


@pytest.mark.parametrize("table", ["tcp", "tcp6"])
def test_captured_table_with_a_first_column_that_grows(table: str) -> None:
    """Rows of 12 and of 17 fields move by one from the 10,000th on."""
    content = (CAPTURED.parent / f"long_sl_{table}").read_bytes()
    parsed = parse(table, content)
    assert parse_naively(content) == parsed.rows
    assert parsed.malformed == 0


@pytest.mark.parametrize("sl", [0, 99999, 1234567, 10**12])
@pytest.mark.parametrize("table", INTERNET)
def test_first_column_of_any_width(table: str, sl: int) -> None:
    """It says nothing, may be the same for all rows, and shifts the others."""
    rows = [Printed(20 + i, 30 + i, 7, i, i, peer=i) for i in range(4)]
    content = print_table(table) + b"".join(
        print_row(table, row, place) for row, place in zip(rows, (sl, sl, 5, sl), strict=True)
    )
    assert parse_naively(content) == parse(table, content).rows
    assert parse(table, content).malformed == 0


internet_rows = st.builds(
    Printed,
    local=st.integers(0, 65535),
    remote=st.integers(0, 65535),
    state=st.sampled_from([1, 7]),
    send=st.integers(0, 2**32 - 1),
    receive=st.integers(0, 2**32 - 1),
    inode=st.integers(0, 2**64 - 1),
    timer=st.integers(0, 4),
    peer=st.just(0),
    own=st.integers(0, 3),
)


@given(
    table=st.sampled_from(INTERNET),
    rows=st.lists(internet_rows, max_size=LONGEST_TABLE_LINES),
    sl=st.integers(0, 10_001),
)
def test_any_table_is_read_as_a_naive_reader_would(table: str, rows: list[Printed], sl: int) -> None:
    content = print_table(table) + b"".join(
        print_row(table, row._replace(peer=i), sl + i) for i, row in enumerate(rows)
    )
    parsed = parse(table, content)
    assert parse_naively(content) == parsed.rows
    assert (parsed.malformed, parsed.repeated) == (0, 0)


@pytest.mark.parametrize("table", TABLES)
def test_no_header(table: str) -> None:
    """A table without a line, or with another file's, is no table; the message shows what was found."""
    for text in (b"", b"\n", b"TCP: inuse 1\nmore\n", print_row("tcp", Printed(1))):
        with pytest.raises(ProcnetError, match=r"^no header: .*found b['\"]"):
            parse(table, text)
    with pytest.raises(ProcnetError, match="no header"):
        parse(table)


@pytest.mark.parametrize("table", TABLES)
def test_header_only(table: str) -> None:
    content = UNIX_HEADER if table == "unix" else print_table(table)
    assert Parsed([], [], 0, 0, 0, 0) == parse(table, content)


def test_columns_that_a_later_kernel_adds() -> None:
    lines = [line.rstrip() + b" 7 new:one \xff\n" for line in GOOD]
    parsed = parse("tcp", HEADER, b"".join(lines), b"".join(GOOD[:1]))
    assert (parsed.listed, parsed.malformed, parsed.repeated) == (4, 0, 1)
    assert parse_naively(HEADER + b"".join(GOOD)) == parsed.rows


def test_greatest_values_are_kept_exactly() -> None:
    """A user and an inode as large as they can be move nothing that is counted."""
    row = print_row("tcp", Printed(65535, 65535, 1, 2**32 - 1, 2**32 - 1, inode=2**64 - 1))
    row = row.replace(b"     0        0 ", b" 4294967295        0 ")
    assert b" 4294967295 " in row
    assert [(1, 65535, 65535, Queues(2**32 - 1, 2**32 - 1))] == parse("tcp", HEADER + row).rows


@pytest.mark.parametrize("state", ["00", "0C", "0D", "0E", "FF", "ZZ", "--"])
@pytest.mark.parametrize("table", INTERNET)
def test_unknown_state_is_counted_as_such(table: str, state: str) -> None:
    """The other rows of the block keep theirs."""
    rows = [print_row(table, Printed(i, state=7, send=3, peer=i)) for i in (1, 2)]
    rows[1] = rows[1].replace(b" 07 ", f" {state} ".encode())
    parsed = parse(table, print_table(table) + b"".join(rows))
    assert [(states.UNKNOWN, 2, 0, Queues(3, 0)), (7, 1, 0, Queues(3, 0))] == parsed.rows
    assert parsed.malformed == 0


@pytest.mark.parametrize("table", WITH_STATES_OF_UDP)
def test_state_that_only_tcp_has(table: str) -> None:
    """UDP's sockets do not listen, even where a row says so."""
    parsed = parse(table, print_table(table, [Printed(5, state=states.LISTEN, receive=2)]))
    assert [(states.UNKNOWN, 5, 0, Queues(0, 2))] == parsed.rows
    assert not parsed.listeners


def test_listeners_come_apart() -> None:
    """Their receive queue counts connections, and procfs has no limit."""
    content = print_table("tcp", [Printed(80, state=states.LISTEN, receive=3, inode=7), Printed(80, 5)])
    (batch,) = parse_table(TABLES["tcp"], [content])
    assert [Listener(80, bytes(16), 3, None, 7, 0)] == batch.listeners
    assert [(states.ESTABLISHED, 80, 5, 0)] == list(batch.unpack())


def test_fin_wait2_of_both_kinds() -> None:
    """It is a minisocket when it has the timer of one."""
    rows = [Printed(80, state=states.FIN_WAIT2, timer=timer, peer=timer) for timer in (0, 2, 3)]
    assert parse("tcp", print_table("tcp", rows)).minisockets == 1


def print_blocks(number: int) -> Iterator[bytes]:
    """Print a table of so many blocks of 400 rows, all different."""
    yield HEADER
    block = b"".join(print_row("tcp", Printed(i, 443, peer=0x77770000 + i), i) for i in range(400))
    for i in range(number):
        yield block.replace(b" 7777", b" %04X" % i)


def peak_bytes(blocks: int) -> int:
    """Return how much memory it took at most to go through a table of so many blocks."""
    tracemalloc.start()
    try:
        found = sum(
            sum(1 for _ in batch.unpack()) for batch in parse_table(TABLES["tcp"], print_blocks(blocks))
        )
        assert 400 * blocks == found
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_table() -> None:
    """200,000 rows take no more than 8,000, and both less than a megabyte."""
    assert peak_bytes(500) < 1.2 * peak_bytes(20) < 1_000_000


def test_captured_sockstat_counts_what_is_no_minisocket() -> None:
    """The kernel's counter and the table, which another way of counting made, agree."""
    for file, suffix in (("sockstat", ""), ("sockstat6", "6")):
        in_use = parse_sockstat(read_captured(file))
        for protocol in ("tcp", "udp", "udplite", "raw"):
            table = protocol + suffix
            parsed = parse(table, read_captured(table))
            assert in_use[table.upper()]["inuse"] == len(parsed.rows) - parsed.minisockets, table
