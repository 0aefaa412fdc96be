"""The text tells of single sockets what netlink does, but for the cgroup."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import sockdetails, states
from exporter.kernel.netlink import Cutter
from exporter.kernel.procdetails import parse_details
from exporter.kernel.sockdetails import Detail
from exporter.kernel.sockdiag import question_of
from exporter.kernel.tables import TABLES
from tests.support.procfs_tree import Printed, print_row, print_table, read_captured

FIXTURES = Path(__file__).parents[1] / "fixtures"
WAITING = Printed(80, 40000, states.CLOSE_WAIT, inode=7)


def parse(table: str, *rows: bytes, wanted: int = states.CLOSE_WAIT) -> list[Detail]:
    """Return the sockets in one state of a table with these rows."""
    return list(parse_details(TABLES[table], [print_table(table), b"".join(rows)], {wanted}))


def recorded(table: str) -> list[Detail]:
    """Return the sockets of a recorded dump."""
    datagrams = memoryview((FIXTURES / f"sockdiag_{table}.bin").read_bytes())
    blocks = Cutter(question_of(TABLES[table]).shortest).cut(datagrams)
    return [detail for block in blocks for detail in sockdetails.parse_details(block)]


@pytest.mark.parametrize("table", ["tcp", "tcp6"])
def test_text_and_netlink_tell_the_same(table: str) -> None:
    """Of the same sockets, recorded both ways."""
    by_text = parse_details(TABLES[table], [read_captured(table)], states.TCP)
    expected = sorted(detail._replace(cookie=0, cgroup_id=0) for detail in recorded(table))
    assert expected == sorted(detail._replace(cookie=0) for detail in by_text)


@pytest.mark.parametrize("table", ["tcp", "tcp6"])
@given(code=st.sampled_from(sorted(states.TCP)), sl=st.integers(0, 10**7))
def test_only_wanted_states_are_told(table: str, code: int, sl: int) -> None:
    row = print_row(table, WAITING._replace(state=code), sl)
    assert (code == states.CLOSE_WAIT) == bool(parse(table, row))


def test_cookie_is_that_of_addresses_ports_and_inode() -> None:
    others = [{"local": 81}, {"remote": 40001}, {"peer": 1}, {"own": 1}, {"inode": 8}]
    rows = [WAITING, *(WAITING._replace(**other) for other in others)]
    cookies = [detail.cookie for row in rows for detail in parse("tcp", print_row("tcp", row))]
    assert len(set(cookies)) == len(rows)
    (again,) = parse("tcp", print_row("tcp", WAITING._replace(send=1, receive=1, timer=2), 77))
    assert cookies[0] == again.cookie


def test_minisocket_has_no_inode() -> None:
    row = print_row("tcp", Printed(80, 1, states.TIME_WAIT, inode=0, timer=3))
    (detail,) = parse("tcp", row, wanted=states.TIME_WAIT)
    assert (80, 1, 0, 0) == (detail.local_port, detail.remote_port, detail.inode, detail.cgroup_id)


@given(st.binary(max_size=200), st.integers(0, 149))
def test_whatever_is_in_the_text_good_rows_are_told(junk: bytes, cut: int) -> None:
    """A row that is cut is not told at all, or with what is left of its inode's digits."""
    good = print_row("tcp", WAITING)
    found = parse("tcp", junk + b"\n", good, good[:cut])
    assert parse("tcp", good)[0] in found
