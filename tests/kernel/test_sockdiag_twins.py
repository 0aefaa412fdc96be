"""Rows of sock_diag are those of procfs: the same sockets are the same both ways."""

import sys
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.diag_rows import DiagRows
from exporter.kernel.procnet import parse_table
from exporter.kernel.rows import Rows
from exporter.kernel.tables import TABLES
from exporter.kernel.textrows import TextRows
from tests.support.kernel.messages import SHUTDOWN, inet, meminfo
from tests.support.kernel.parsed import IN_SOCKDIAG, Parsed, parse, parse_dump, read_dump, rows_of_dump
from tests.support.procfs_tree import Printed, print_table, read_captured


def without_what_procfs_lacks(parsed: Parsed) -> Parsed:
    """Take out the limits and cgroups of listeners, and the cookies of those that drop."""
    return parsed._replace(
        listeners=[one._replace(limit=None, cgroup_id=0, cookie=0, drops=None) for one in parsed.listeners],
        dropping=[one._replace(cookie=0) for one in parsed.dropping],
    )


@pytest.mark.parametrize("table", [name for name in IN_SOCKDIAG if name != "unix"])
def test_recorded_dump_is_its_twin(table: str) -> None:
    """Every socket, listener and number is the same."""
    text = parse(table, read_captured(table))
    dump = without_what_procfs_lacks(parse_dump(table, read_dump(table)))
    assert text._replace(dropping=[]) == dump
    assert len(text.sockets) + len(text.listeners) == text.listed > 0


@pytest.mark.parametrize("table", ["tcp", "tcp6"])
def test_recorded_time_wait_ends_at_one_time(table: str) -> None:
    """The text was recorded a moment before the dump; until its end a socket had a minute at most."""
    text = read_time_wait(parse_table(TABLES[table], [read_captured(table)]))
    dump = read_time_wait(rows_of_dump(table, read_dump(table)))
    assert text.keys() == dump.keys()
    assert text
    assert all(50_000 < left <= 60_000 and 0 < left - dump[ports] < 1000 for ports, left in text.items())


def read_time_wait(batches: Iterable[Rows]) -> dict[tuple[int, int], int]:
    """Return how many milliseconds are left to every TIME_WAIT, by its ports."""
    return {
        (local, remote): rows.expires_milliseconds(place)
        for rows in batches
        if isinstance(rows, DiagRows | TextRows)
        for place, (state, local, remote, _) in enumerate(rows.unpack())
        if state == states.TIME_WAIT
    }


SOCKETS = st.lists(
    st.builds(
        Printed,
        local=st.integers(0, 65535),
        remote=st.integers(0, 65535),
        state=st.integers(0, 255),
        send=st.integers(0, 2**32 - 1),
        receive=st.integers(0, 2**32 - 1),
        inode=st.one_of(st.just(0), st.integers(0, 2**32 - 1)),
        timer=st.integers(0, 4),
        peer=st.integers(0, 2**32 - 1),
        own=st.integers(0, 2**32 - 1),
        expires=st.just(0),
        drops=st.just(0),
        tries=st.integers(0, 255),
    ),
    unique_by=lambda row: (row.own, row.local, row.peer, row.remote),
    min_size=1,
    max_size=8,
)


def in_network_order(address: int, table: str) -> bytes:
    """Return an address as a message has it, from the number that the text prints in words."""
    digits = address.to_bytes(16 if table.endswith("6") else 4)
    words = [int.from_bytes(digits[i : i + 4]) for i in range(0, len(digits), 4)]
    return b"".join(word.to_bytes(4, sys.byteorder) for word in words).ljust(16, b"\0")


@pytest.mark.parametrize("table", ["tcp", "tcp6", "udp", "udp6"])
@given(sockets=SOCKETS, drops=st.lists(st.sampled_from([0, 0, 0, 1, 2**32 - 1]), min_size=8, max_size=8))
def test_any_sockets_are_the_same_both_ways(table: str, sockets: list[Printed], drops: list[int]) -> None:
    """Printed as text and sent as messages, they have the same rows, addresses, inodes, drops and tries."""
    lines, messages = [], []
    for row, dropped in zip(sockets, drops, strict=False):
        printed = row._replace(drops=dropped if row.inode else 0)
        lines.append(print_table(table, [printed]).split(b"\n")[1] + b"\n")
        messages.append(
            inet(
                (row.local, row.remote),
                row.state,
                (row.receive, row.send),
                meminfo(dropped) if table.startswith("udp") and row.inode else SHUTDOWN,
                timer=row.timer,
                tries=row.tries,
                inode=row.inode,
                addresses=in_network_order(row.own, table) + in_network_order(row.peer, table),
            )
        )
    text = parse(table, print_table(table), b"".join(lines))
    dump = without_what_procfs_lacks(parse_dump(table, b"".join(messages)))
    assert text == dump
