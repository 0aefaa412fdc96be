"""Both sources have one shape, and what is counted by columns is what a look at each row counts."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.diag_rows import DiagRows
from exporter.kernel.netlink import Block
from exporter.kernel.procnet import parse_table
from exporter.kernel.rows import (
    TIMER_TIME_WAIT,
    InetRows,
    Listener,
    ListenerRows,
    Rows,
    StateRows,
    count_minisockets,
    find_places,
)
from exporter.kernel.tables import TABLES
from exporter.kernel.textrows import TextRows
from tests.support.kernel.messages import inet
from tests.support.kernel.parsed import GOOD, HEADER, check_rows

CODES = st.binary(max_size=300) | st.lists(st.integers(0, 11), max_size=60).map(bytes)


@given(CODES, st.integers(0, 255))
def test_places(codes: bytes, state: int) -> None:
    assert [place for place, code in enumerate(codes) if code == state] == find_places(codes, state)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)), max_size=60))
def test_minisockets(sockets: list[tuple[int, int]]) -> None:
    """All in TIME_WAIT and SYN_RECV, and those in FIN_WAIT2 that have the timer of TIME_WAIT."""
    codes, timers = bytes(code for code, _ in sockets), bytes(timer for _, timer in sockets)
    expected = sum(
        code in {states.TIME_WAIT, states.SYN_RECV} or (code == states.FIN_WAIT2 and timer == TIMER_TIME_WAIT)
        for code, timer in sockets
    )
    assert expected == count_minisockets(codes, timers) == count_minisockets(bytearray(codes), timers)


@given(st.binary(max_size=20), st.integers(0, 5))
def test_rows_with_nothing_but_a_state(codes: bytes, malformed: int) -> None:
    rows = StateRows(codes, malformed)
    assert [(code, 0, 0) for code in codes] == [row[:3] for row in check_rows(rows)]
    assert len(codes) + malformed == rows.listed


def test_rows_that_are_listeners() -> None:
    listeners = [Listener(80, bytes(16), 3, 128, 7, 9)] * 2
    rows = ListenerRows(listeners)
    assert [] == check_rows(rows)
    assert (2, listeners) == (rows.listed, rows.listeners)


def test_every_kind_of_rows_has_the_shape() -> None:
    """The types say so; what is left out of a class would show in mypy, and a wrong name here."""
    (text,) = parse_table(TABLES["tcp"], [HEADER + GOOD[0]])
    assert isinstance(text, TextRows)
    diag = DiagRows(TABLES["tcp"], Block(inet((22, 0), 1), 88))
    inet_rows: list[InetRows] = [text, diag]
    rows: list[Rows] = [*inet_rows, StateRows(b"\\1"), ListenerRows(())]
    for name in (name for name in vars(InetRows) | vars(Rows) if not name.startswith("_")):
        assert all(hasattr(each, name) for each in inet_rows), name
    for name in Rows.__annotations__:
        assert all(hasattr(each, name) for each in rows), name
