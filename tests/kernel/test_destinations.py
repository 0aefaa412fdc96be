"""Every socket on a port but a listener is told by its destination, and none on another port."""

import socket
from collections import Counter
from itertools import chain
from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.destinations import find_destinations, parse_destinations
from exporter.kernel.netlink import Cutter
from exporter.kernel.sockdiag import question_of
from exporter.kernel.tables import TABLES
from tests.support.procfs_tree import CAPTURED, Printed, print_table, read_captured

FIXTURES = CAPTURED.parent
PORT = 5432
ROWS = st.builds(
    Printed,
    local=st.integers(1024, 65535),
    remote=st.sampled_from([PORT, PORT + 1, 0]),
    peer=st.integers(0, 3),
    own=st.integers(0, 3),
    state=st.sampled_from(sorted(states.TCP)),
    inode=st.integers(0, 1),
)


@given(st.lists(ROWS, max_size=20), st.sampled_from(["tcp", "tcp6"]))
def test_text(rows: list[Printed], table: str) -> None:
    """Destinations are told apart by their address and ours, whatever the state."""
    found = Counter(chain.from_iterable(parse_destinations([print_table(table, rows)], PORT)))
    expected = Counter(
        (row.own, row.peer) for row in rows if row.remote == PORT and row.state != states.LISTEN
    )
    assert sorted(expected.values()) == sorted(found.values())


def test_both_sources_tell_the_same() -> None:
    """As many sockets of each destination; the recorded answer is that for all ports, and has listeners."""
    for table in ("tcp", "tcp6"):
        datagrams = memoryview((FIXTURES / f"sockdiag_{table}.bin").read_bytes())
        blocks = Cutter(question_of(TABLES[table]).shortest).cut(datagrams)
        listed = Counter(chain.from_iterable(map(find_destinations, blocks)))
        text = read_captured(table)
        printed = Counter[bytes]()
        for port in {int(line.split()[2].rpartition(b":")[2], 16) for line in text.splitlines()[1:]}:
            printed.update(chain.from_iterable(parse_destinations([text], port)))
        connected = [sockets for destination, sockets in listed.items() if any(destination[16:])]
        assert sorted(printed.values()) == sorted(connected)


def test_question_names_the_port_in_network_order() -> None:
    request = question_of(TABLES["tcp"], 1, remote_port=PORT, extensions=0x40).request
    assert request == pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0x40, 1) + pack(
        "!HH", 0, PORT
    ) + bytes(44)
