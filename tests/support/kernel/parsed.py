"""Parse a whole table, and check that every line of it is accounted for."""

from collections import Counter
from typing import NamedTuple

from exporter.kernel import states
from exporter.kernel.procnet import parse_table
from exporter.kernel.rows import Listener, Row
from exporter.kernel.tables import TABLES
from tests.support.procfs_tree import Printed, print_row, print_table

HEADER = print_table("tcp")
GOOD = [print_row("tcp", Printed(22 + i, peer=i), i) for i in range(3)]
"""Rows of TCP with nothing wrong in them."""
INTERNET = [name for name in TABLES if name != "unix"]
WITH_STATES_OF_UDP = [name for name in INTERNET if not name.startswith("tcp")]


class Parsed(NamedTuple):
    """What was found in all blocks; ``rows`` are sorted, and have a listener's as any other."""

    rows: list[Row]
    listeners: list[Listener]
    listed: int
    malformed: int
    repeated: int
    minisockets: int


def parse(table: str, *blocks: bytes) -> Parsed:
    """Parse blocks, and check that every line of them is accounted for."""
    rows: list[Row] = []
    listeners: list[Listener] = []
    totals = Counter[str]()
    for batch in parse_table(TABLES[table], blocks):
        found = list(batch.rows)
        assert len(batch.listeners) + len(found) + batch.malformed + batch.repeated == batch.listed
        assert 0 <= batch.minisockets <= len(found)
        rows += found
        listeners += batch.listeners
        totals.update(listed=batch.listed, malformed=batch.malformed)
        totals.update(repeated=batch.repeated, minisockets=batch.minisockets)
    rows += [(listener.port, 0, states.LISTEN, listener.accept_queue_length) for listener in listeners]
    return Parsed(
        sorted(rows),
        listeners,
        totals["listed"],
        totals["malformed"],
        totals["repeated"],
        totals["minisockets"],
    )


def parse_naively(content: bytes) -> list[Row]:
    """Return the rows of an internet table with nothing wrong in it."""
    rows = []
    for line in content.decode("ascii").splitlines()[1:]:
        _, local, remote, state, queues = line.split()[:5]
        send, receive = queues.split(":")
        numbers = (local.split(":")[1], remote.split(":")[1], state, send, receive)
        local_port, remote_port, code, send_queue, receive_queue = (int(number, 16) for number in numbers)
        rows.append((local_port, remote_port, code, send_queue << 32 | receive_queue))
    return sorted(rows)


def split_lines(content: bytes) -> list[bytes]:
    """Cut at line feeds, and nowhere else."""
    return [line + b"\n" for line in content.split(b"\n")[:-1]]
