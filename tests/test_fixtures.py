"""The captured tables are what their README says, so that other tests may rely on them."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.support.live.made import Made

FIXTURES = Path(__file__).parent / "fixtures"
TABLES = FIXTURES / "proc" / "self" / "net"
INTERNET = ["tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6"]


def fields_of(path: Path) -> list[list[str]]:
    """Split the rows of a table, without its header."""
    return [line.split() for line in path.read_text(encoding="ascii").splitlines()[1:]]


def made_in(table: str) -> list[Made]:
    """Return what was made to fill a table."""
    made = (Made(**fields) for fields in json.loads((FIXTURES / "made.json").read_text(encoding="ascii")))
    return [one for one in made if one.table == table]


@pytest.mark.parametrize("table", INTERNET)
def test_every_row_was_made(table: str) -> None:
    """Ports and queues of every row are those of a socket in ``made.json``, and the other way round."""
    expected = Counter(
        (one.local_port, one.remote_port, one.send_queue, one.receive_queue) for one in made_in(table)
    )
    found = Counter(
        tuple(int(field, 16) for field in (local[-4:], remote[-4:], *queues.split(":")))
        for _, local, remote, _, queues, *_ in fields_of(TABLES / table)
    )
    assert expected == found


@pytest.mark.parametrize("table", INTERNET)
def test_every_address_is_loopback(table: str) -> None:
    """No address of a real network is published."""
    loopback = {"0100007F", f"{0:024}01000000", f"{0:016}FFFF00000100007F", f"{0:08}", f"{0:032}"}
    rows = fields_of(TABLES / table)
    assert {address[:-5] for row in rows for address in row[1:3]} <= loopback


@pytest.mark.parametrize(("table", "sockstat"), [("tcp", "sockstat"), ("tcp6", "sockstat6")])
def test_sockstat_counts_full_sockets(table: str, sockstat: str) -> None:
    """The kernel's own count is that of the rows of 17 fields."""
    lines = (TABLES / sockstat).read_text(encoding="ascii").splitlines()
    in_use = {line.split()[0].rstrip(":").lower(): int(line.split()[2]) for line in lines}
    full = [row for row in fields_of(TABLES / table) if len(row) == 17]
    assert in_use[table] == len(full)


@pytest.mark.parametrize("table", ["tcp", "tcp6"])
def test_long_sl(table: str) -> None:
    """Rows of both lengths follow where the first column has five digits."""
    rows = fields_of(FIXTURES / f"long_sl_{table}")
    assert [row[0] for row in rows[:4]] == ["9996:", "9997:", "9998:", "9999:"]
    assert {(len(row[0]), len(row)) for row in rows[4:]} == {(6, 12), (6, 17)}
