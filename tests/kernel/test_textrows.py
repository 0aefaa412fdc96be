"""The text tells of single sockets what netlink does, but for the cgroup and the limits of listeners."""

from socket import AF_INET6, inet_pton

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.procnet import parse_table
from exporter.kernel.rows import (
    TIMER_KEEPALIVE,
    TIMER_RETRANSMIT,
    Dropping,
    Listener,
    Origin,
    Queues,
    Tracked,
)
from exporter.kernel.tables import TABLES
from exporter.kernel.textrows import TextRows, order_address, read_inode, read_tries
from tests.support.kernel.parsed import INTERNET, ask_inet, check_rows, parse
from tests.support.procfs_tree import Printed, print_row, print_table, read_captured

WAITING = Printed(80, 40000, states.CLOSE_WAIT, inode=7, own=0x0100007F, peer=0x0200007F)
MANY_DIGITS = b"9" * 5000


def rows_of(*rows: bytes, table: str = "tcp") -> TextRows:
    """Return the rows of a block of text."""
    (found,) = parse_table(TABLES[table], [print_table(table) + b"".join(rows)])
    assert isinstance(found, TextRows)
    check_rows(found)
    ask_inet(found)
    return found


def track(*rows: Printed) -> list[Tracked]:
    """Return what the rows are known by, each printed in a block of its own, at any place in its table."""
    blocks = (rows_of(print_row("tcp", row, 7**sl)) for sl, row in enumerate(rows))
    return [one for block in blocks for one in block.tracked([0])]


def test_identity_is_that_of_addresses_and_ports() -> None:
    """No two sockets have one, and nothing else changes it."""
    others = [{"local": 81}, {"remote": 40001}, {"peer": 1}, {"own": 1}]
    sockets = [WAITING, *(WAITING._replace(**other) for other in others)]
    assert len(sockets) == len({identity for _, _, identity in track(*sockets)})
    same = [WAITING, WAITING._replace(send=1, receive=1, timer=2, state=states.ESTABLISHED, inode=8)]
    assert 1 == len(set(track(*same)))
    ((local, remote, identity),) = track(WAITING)
    assert (80, 40000) == (local, remote)
    assert 0 <= identity < 1 << 56


def test_addresses_are_in_network_order() -> None:
    """The kernel prints words of the machine's byte order; those of IPv4 have zeros behind them."""
    (socket,) = ask_inet(rows_of(print_row("tcp", WAITING)))
    assert (bytes([127, 0, 0, 1]).ljust(16, b"\0"), bytes([127, 0, 0, 2]).ljust(16, b"\0")) == socket[4:6]
    row = print_row("tcp6", WAITING._replace(own=0xB80D0120000000000000000001000000))
    (socket,) = ask_inet(rows_of(row, table="tcp6"))
    assert inet_pton(AF_INET6, "2001:db8::1") == socket.source
    assert bytes(range(4)).ljust(16, b"\0") == order_address(bytes([3, 2, 1, 0]))


def test_minisocket_has_no_inode() -> None:
    rows = rows_of(print_row("tcp", Printed(80, 1, states.TIME_WAIT, inode=0, timer=3)))
    assert [Origin(80, bytes(16), 0, 0)] == list(rows.origins([0]))


def test_timer() -> None:
    """It is printed in ticks of a hundredth of a second."""
    row = print_row("tcp", WAITING).replace(b" 00:00000000 ", b" 03:0000176F ")
    assert 59990 == rows_of(row).expires_milliseconds(0)
    cut = print_row("tcp", WAITING).replace(b" 00:00000000 ", b" 03 ")
    assert 0 == rows_of(cut).expires_milliseconds(0)


@pytest.mark.parametrize(
    ("timer", "tries", "trying"),
    [(1, 2, False), (1, 3, True), (1, 255, True), (2, 3, True), (4, 9, True), (4, 2, False)],
)
def test_tries_are_those_of_the_timer(timer: int, tries: int, *, trying: bool) -> None:
    """Retransmits are counted in one column, probes in another; a uid of many digits moves what follows."""
    row = print_row("tcp", WAITING._replace(timer=timer, tries=tries))
    expected = [(80, 40000, states.CLOSE_WAIT, timer)] if trying else []
    for uid in (b"    0", b"4294967295"):
        assert expected == list(rows_of(row.replace(b"     0 ", b" %b " % uid, 1)).trying(3))


def test_column_of_another_timer_is_no_try() -> None:
    """A socket that was probed, and now sends data again, has not tried that yet."""
    row = print_row("tcp", WAITING._replace(timer=2, tries=9)).replace(b" 02:", b" 01:")
    assert [] == list(rows_of(row).trying(3))


@pytest.mark.parametrize("rest", [b"", b":0", b":0 x y z", b":0 00000009", b":0 0 0 " + MANY_DIGITS])
def test_row_that_is_cut_has_no_tries(rest: bytes) -> None:
    assert 0 == read_tries(rest, TIMER_KEEPALIVE)


def test_malformed_retransmits_are_no_tries() -> None:
    assert [0, 0, 9] == [
        read_tries(b":0 %b 0" % word, TIMER_RETRANSMIT) for word in (b"zz", MANY_DIGITS, b"9")
    ]


@pytest.mark.parametrize("odd", [False, True])
def test_places_are_those_of_the_rows_without_listeners(*, odd: bool) -> None:
    """What follows the fields of a row is that of its own line, in blocks of columns and in others."""
    rows = [Printed(80 + i, i, state=states.LISTEN if i % 3 else 1, inode=100 + i, peer=i) for i in range(9)]
    lines = [print_row("tcp", row, sl) for sl, row in enumerate(rows)]
    found = rows_of(*([b"no row\n"] if odd else []), *lines)
    assert odd == found.malformed
    assert [100, 103, 106] == [origin.inode for origin in found.origins(range(3))]
    assert [(86, 6), (80, 0)] == [each[:2] for each in found.tracked([2, 0])]
    assert [101, 102, 104, 105, 107, 108] == [listener.inode for listener in found.listeners]


def test_listeners() -> None:
    """Their receive queue counts connections; procfs has neither a limit nor a cgroup."""
    row = print_row("tcp", Printed(80, state=states.LISTEN, receive=3, inode=7, own=0x0100007F))
    expected = Listener(80, bytes([127, 0, 0, 1]).ljust(16, b"\0"), 3, None, 7, 0)
    assert [expected] == rows_of(row).listeners


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_queues(send: int, receive: int) -> None:
    """They are one number, which is 0 where both are empty, and nowhere else."""
    rows = rows_of(print_row("tcp", WAITING._replace(send=send, receive=receive)))
    ((*_, queues),) = rows.unpack()
    assert Queues(send, receive) == rows.split_queues(queues)


ROWS = st.builds(
    Printed,
    local=st.integers(1024, 65535),
    remote=st.integers(0, 65535),
    peer=st.integers(0, 3),
    own=st.integers(0, 2**32 - 1),
    state=st.sampled_from(sorted(states.TCP)),
    send=st.just(0),
    receive=st.just(0),
    inode=st.integers(0, 1),
    timer=st.just(0),
)


@given(st.lists(ROWS, max_size=20), st.sampled_from(["tcp", "tcp6"]))
def test_endpoints(rows: list[Printed], table: str) -> None:
    """They are told apart by our address and theirs, whatever the state, and are in the order of the rows."""
    distinct = {(row.own, row.local, row.peer, row.remote): row for row in rows}.values()
    lines = [print_row(table, row, sl) for sl, row in enumerate(distinct)]
    batches = list(parse_table(TABLES[table], [print_table(table), *filter(None, [b"".join(lines)])]))
    found = [ends for batch in batches if isinstance(batch, TextRows) for ends in batch.endpoints()]
    expected = [
        (row.state, row.local, row.remote, row.own, row.peer)
        for row in distinct
        if row.state != states.LISTEN
    ]
    assert expected == [(*start, int.from_bytes(own), int.from_bytes(peer)) for *start, own, peer in found]


def test_captured_drops() -> None:
    """One socket dropped the five datagrams that it was sent."""
    assert [] == parse("udp", read_captured("udp")).dropping
    ((port, remote, inode, cookie, drops),) = parse("udp6", read_captured("udp6")).dropping
    assert (514, 0, 0, 5) == (port, remote, cookie, drops)
    assert inode


def test_drops_behind_a_long_first_column_and_queues() -> None:
    line = (
        b"123456: 0100007F:0202 0200007F:0035 01 00000010:00000340 00:00000000 00000000 100000 "
        b"       0 3702459 2 0000000055277ced 4294967295       \n"
    )
    assert [Dropping(514, 53, 3702459, 0, 4294967295)] == list(rows_of(line, table="udp").dropping())
    none = line.replace(b"4294967295", b"0         ")
    assert [] == list(rows_of(none, table="udp").dropping())


@pytest.mark.parametrize("row", [WAITING, WAITING._replace(inode=0)])
def test_rows_of_tcp_have_no_drops(row: Printed) -> None:
    """They end with other numbers."""
    assert [] == list(rows_of(print_row("tcp", row)).dropping())


@pytest.mark.parametrize(
    ("rest", "inode"),
    [
        (b":00000000 00000000     0        0 24362 1 0000", 24362),
        (b":00000000 00000000     0        0 24362", 24362),
        (b":00000000 00000000     0        0 0 2 0000", 0),
        (b":00000000 00000000     0        0", 0),
        (b":00000000 00000000     0        0 -1 1", 0),
        (b":00000000 00000000     0        0 \xd9\xa3 1", 0),
        (b":00000000 00000000     0        0 %b 1" % MANY_DIGITS, 0),
        (b"", 0),
    ],
)
def test_inode(rest: bytes, inode: int) -> None:
    """What is no number, or none that an inode may be, is none."""
    assert inode == read_inode(rest)


@pytest.mark.parametrize("text", [b" 1 ", b" 0000000000000000 "])
def test_numbers_too_long_to_be_any(text: bytes) -> None:
    """Python refuses to read them; so they are never asked to be."""
    row = print_row("udp", Printed(53, inode=1)).replace(b" 0\n", b" 5\n")
    assert [5] == [each.drops for each in rows_of(row, table="udp").dropping()]
    for line in (row.replace(text, b" %b " % MANY_DIGITS), row.replace(b" 5\n", b" %b\n" % MANY_DIGITS)):
        list(rows_of(line, table="udp").dropping())


@given(st.binary(max_size=200), st.integers(0, 149))
def test_whatever_is_in_the_text_good_rows_are_told(junk: bytes, cut: int) -> None:
    """A row that is cut is not told at all, or with what is left of its inode's digits."""
    good = print_row("tcp", WAITING)
    (expected,) = ask_inet(rows_of(good))
    assert expected in ask_inet(rows_of(junk + b"\n", good, good[:cut]))


RESTS = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from([b":", b" ", b"0", b"24362", b"FF", b"\t", MANY_DIGITS, b"-1", b"x"])).map(
        b"".join
    ),
)


@pytest.mark.parametrize("table", INTERNET)
@given(rests=st.lists(RESTS, min_size=1, max_size=6), state=st.sampled_from([1, 3, 6, 10]))
def test_whatever_follows_the_fields(table: str, rests: list[bytes], state: int) -> None:
    """Every row counts, and is asked everything."""
    lines = []
    for i, rest in enumerate(rests):
        row = print_row(table, Printed(i, state=state, peer=i))
        lines.append(row[: row.index(b" 00:") + 3] + rest.replace(b"\n", b"") + b"\n")
    rows = rows_of(*lines, table=table)
    assert (len(rests), 0, 0) == (rows.listed, rows.malformed, rows.repeated)
    assert rows.listed >= len(list(rows.dropping()))
