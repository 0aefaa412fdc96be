"""What is no row is counted, costs no other row, and never raises."""

from collections import Counter
from collections.abc import Hashable, Iterable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exporter.kernel.procnet import ProcnetError
from exporter.kernel.tables import TABLES
from tests.support.kernel.parsed import (
    GOOD,
    HEADER,
    parse,
    parse_naively,
    split_lines,
)
from tests.support.procfs_tree import (
    UNIX_HEADER,
    Printed,
    print_row,
    print_table,
    read_captured,
)


@pytest.mark.parametrize("kept", range(1, 150))
def test_cut_last_row(kept: int) -> None:
    """A row without its end is malformed, however much of it there is; those before it are counted."""
    content = print_table("tcp", [Printed(22, peer=1), Printed(23, peer=2)])
    row = print_row("tcp", Printed(24, peer=3))
    assert kept < len(row)
    parsed = parse("tcp", content + row[:kept])
    assert parse_naively(content) == parsed.rows
    assert (parsed.listed, parsed.malformed) == (3, 1)


ROW = GOOD[0]
MALFORMED = {
    "blank": b"\n",
    "blanks": b" " * 149 + b"\n",
    "three fields": b"   0: 00000000:0016 00000000:0000\n",
    "NUL bytes": bytes(149) + b"\n",
    "no UTF-8": b"\xff\xfe\x85\r\x1c" * 30 + b"\n",
    "port out of range": ROW.replace(b":0016 ", b":1FFFF "),
    "port of letters": ROW.replace(b":0016 ", b":0x16 "),
    "negative port": ROW.replace(b":0016 ", b":-016 "),
    "short address": ROW.replace(b"00000000:0016", b"0000000:0016"),
    "address of the other family": ROW.replace(b"00000000:0016", b"0" * 32 + b":0016"),
    "long queue": ROW.replace(b" 00000000:00000000 00:", b" 000000001:00000000 00:"),
    "queue of letters": ROW.replace(b" 00000000:00000000 00:", b" 0000000G:00000000 00:"),
    "long state": ROW.replace(b" 01 ", b" 001 "),
    "blank state": ROW.replace(b" 01 ", b"    "),
    "no separator": ROW.replace(b":0016 ", b":0016x"),
    "other separator": ROW.replace(b":0016 ", b":0016\t"),
}


@pytest.mark.parametrize("row", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("place", [0, 1, 3])
def test_malformed_row(row: bytes, place: int) -> None:
    """It is skipped and counted, and costs no other row, wherever it is and however it is surrounded."""
    assert row != ROW
    lines = [*GOOD[:place], row, *GOOD[place:]]
    parsed = parse("tcp", HEADER + b"".join(lines))
    assert parse_naively(HEADER + b"".join(GOOD)) == parsed.rows
    assert (parsed.listed, parsed.malformed) == (4, 1)


damages = st.lists(st.tuples(st.integers(0, 2**16), st.sampled_from(b" :\n0FZz\x00\xff\t")), max_size=8)


@pytest.mark.parametrize("table", ["udp", "udp6", "unix"])
@given(damages=damages)
def test_damage_stays_in_its_row(table: str, damages: list[tuple[int, int]]) -> None:
    """In the table as a whole, damaged anywhere, the same is found as in each of its lines alone."""
    header, *lines = split_lines(read_captured(table))
    text = bytearray(b"".join(lines))
    for place, byte in damages:
        text[place % len(text)] = byte
    text += b"\n"
    alone = [parse(table, header, line) for line in split_lines(bytes(text))]
    together = parse(table, header, bytes(text))
    assert sorted(row for parsed in alone for row in parsed.rows) == together.rows
    assert sorted(socket for parsed in alone for socket in parsed.sockets) == together.sockets
    assert sorted(each for parsed in alone for each in parsed.dropping) == together.dropping
    assert sum(parsed.malformed for parsed in alone) == together.malformed
    assert len(together.dropping) <= together.listed


@pytest.mark.parametrize("table", ["tcp", "tcp6"])
@given(line=st.integers(0, 1000), damages=damages)
def test_damage_of_a_row_of_tcp(table: str, line: int, damages: list[tuple[int, int]]) -> None:
    """All other sockets are the same, but where it came to look like one of them."""
    header, *lines = split_lines(read_captured(table))
    lines = lines[::4]
    line %= len(lines)
    damaged = bytearray(lines[line])
    for place, byte in damages:
        damaged[place % (len(damaged) - 1)] = byte
    found = parse(table, header + b"".join([*lines[:line], bytes(damaged), *lines[line + 1 :]]))
    others = parse(table, header + b"".join([*lines[:line], *lines[line + 1 :]]))
    assume(not found.repeated)
    assert not [*difference(others.sockets, found.sockets), *difference(others.listeners, found.listeners)]
    added = found.listed - others.listed
    assert added == len(found.rows) + found.malformed - len(others.rows) == 1 + damaged[:-1].count(b"\n")


def difference(these: Iterable[Hashable], those: Iterable[Hashable]) -> list[Hashable]:
    """Return what is among these more often than among those."""
    return list((Counter(these) - Counter(those)).elements())


junk = st.one_of(
    st.binary(max_size=400),
    st.lists(st.sampled_from([*GOOD, *MALFORMED.values(), b": ", b"\n", b":\n", b"0"])).map(b"".join),
)


@given(
    table=st.sampled_from(list(TABLES)), blocks=st.lists(junk.filter(bool), max_size=4), headed=st.booleans()
)
def test_any_bytes(table: str, blocks: list[bytes], *, headed: bool) -> None:
    """They are a table or they are not, and have no more rows than lines."""
    if headed:
        blocks = [UNIX_HEADER if table == "unix" else HEADER, *blocks]
    try:
        parsed = parse(table, *blocks)
    except ProcnetError:
        assert not headed
        return
    lines = sum(block.count(b"\n") + (not block.endswith(b"\n")) for block in blocks)
    assert parsed.listed <= lines
    assert len(parsed.rows) + parsed.malformed + parsed.repeated == parsed.listed
