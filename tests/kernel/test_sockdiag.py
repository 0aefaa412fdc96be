"""Rows of sock_diag are those of procfs: two captures of the same sockets count the same."""

from pathlib import Path
from socket import AF_INET, AF_INET6
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import sockdiag, states
from exporter.kernel.netlink import Block, Cutter
from exporter.kernel.procnet import parse_table
from exporter.kernel.rows import Batch, Listener
from exporter.kernel.sockdiag import parser_of, question_of
from exporter.kernel.tables import TABLES
from tests.support.kernel.messages import SHUTDOWN, inet, message
from tests.support.twins import IN_SOCKDIAG, count_table, without_forgery

FIXTURES = Path(__file__).parents[1] / "fixtures"


def parse(table: str, *messages: bytes) -> Batch:
    """Parse messages as they arrive in one datagram."""
    batch = parser_of(TABLES[table])(
        Cutter(question_of(TABLES[table]).shortest).cut(memoryview(b"".join(messages)))
    )
    return batch._replace(rows=sorted(batch.rows))


@pytest.mark.parametrize("table", IN_SOCKDIAG)
def test_recorded_dump_counts_as_its_twin(table: str) -> None:
    """Every tally and total is the same; only the row that a unix socket's name forges is not in a dump."""
    datagrams = (FIXTURES / f"sockdiag_{table}.bin").read_bytes()
    cutter = Cutter(question_of(TABLES[table]).shortest)
    diag = count_table(table, [parser_of(TABLES[table])(cutter.cut(memoryview(datagrams)))])
    assert cutter.done
    text = (FIXTURES / "proc" / "self" / "net" / table).read_bytes()
    assert without_forgery(count_table(table, parse_table(TABLES[table], [text]))) == diag


def test_fields_of_a_row() -> None:
    """Ports are in network order, the queues in the machine's; what was received comes first in a message."""
    assert [(1, 65534, 1, 0x01020304_05060708)] == parse(
        "tcp", inet((1, 65534), 1, (0x05060708, 0x01020304), SHUTDOWN)
    ).rows


def test_listeners_come_with_their_limit() -> None:
    batch = parse("tcp", inet((80, 0), 10, (3, 128), SHUTDOWN), inet((80, 9), 1, attributes=SHUTDOWN))
    assert Batch([Listener(80, 3, 128)], [(80, 9, 1, 0)], 2) == batch


@given(st.lists(st.tuples(st.integers(0, 255), st.sampled_from([b"", SHUTDOWN]))))
def test_unknown_states_have_one_name(given_states: list[tuple[int, bytes]]) -> None:
    """No row is lost for its state."""
    for table in ("tcp", "udp"):
        batch = parse(table, *(inet((1, 2), code, attributes=more) for code, more in given_states))
        codes = sorted(code if code in TABLES[table].states else states.UNKNOWN for code, _ in given_states)
        assert len(codes) == batch.listed
        assert codes == sorted([row[2] for row in batch.rows] + [states.LISTEN] * len(batch.listeners))


@pytest.mark.parametrize(
    ("sockets", "minisockets"),
    [
        ([inet((1, 2), states.TIME_WAIT, timer=3)], 1),
        ([inet((1, 2), states.SYN_RECV, timer=1)], 1),
        ([inet((1, 2), states.SYN_RECV, attributes=SHUTDOWN, inode=256)], 0),
        ([inet((1, 2), states.FIN_WAIT2, timer=3)], 1),
        ([inet((1, 2), states.FIN_WAIT2, attributes=SHUTDOWN)], 0),
        ([inet((1, 2), states.ESTABLISHED, attributes=SHUTDOWN, timer=3)], 0),
    ],
)
def test_minisockets(sockets: list[bytes], minisockets: int) -> None:
    """What has no full socket behind it is counted, beside others."""
    others = [inet((3, 4), states.ESTABLISHED, attributes=SHUTDOWN), inet((5, 6), states.TIME_WAIT, timer=3)]
    assert minisockets + 1 == parse("tcp", *others, *sockets).minisockets


def unix(state: int, *attributes: bytes) -> bytes:
    """Make a message of unix_diag."""
    return message(pack("=BBBxIII", 1, 1, state, 7, 0, 0) + b"".join(attributes))


def test_unix_states() -> None:
    """They are named as in procfs; what waits for accept is known by its listener alone."""
    queues = pack("=HHII", 12, 4, 3, 128)
    rows = parse("unix", unix(1), unix(7), unix(10, SHUTDOWN, queues), unix(10), unix(99)).rows
    expected = [states.UNKNOWN, 1, 2, 2, 2, 3, states.LISTEN, states.LISTEN]
    assert [(0, 0, code, 0) for code in expected] == rows


@pytest.mark.parametrize("table", ["tcp", "udp", "unix"])
@given(payload=st.binary(max_size=60), data=st.data())
def test_any_message_is_a_row(table: str, payload: bytes, data: st.DataObject) -> None:
    """Whatever is in it, and behind its fields."""
    shortest = question_of(TABLES[table]).shortest
    body = data.draw(st.binary(min_size=shortest - 16, max_size=shortest - 16))
    whole = message(body + payload)
    batch = parser_of(TABLES[table])([Block(whole * 2, len(whole))])
    assert batch.listed == len(batch.listeners) + len(list(batch.rows))
    assert batch.listed >= 2


def test_one_dump_of_both_families_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a datagram has one family or both, each row goes to its table."""
    fields = [((1, 2), AF_INET), ((3, 4), AF_INET6), ((5, 6), AF_INET)]
    mixed = [inet(ports, 1, family=family) for ports, family in fields]
    datagrams = [mixed, mixed[:1], mixed[1:2]]
    blocks = [[Block(b"".join(messages), len(messages[0]))] for messages in datagrams]
    monkeypatch.setattr(sockdiag, "dump", lambda _, __: (each for each in blocks))
    found: dict[str, list[int]] = {"tcp": [], "tcp6": []}
    for table, batch in sockdiag.read_tables([TABLES["tcp"], TABLES["tcp6"]], 0.0):
        rows = [row[0] for row in batch.rows]
        assert batch.listed == len(rows)
        found[table.name] += rows
    assert {"tcp": [1, 5, 1], "tcp6": [3, 3]} == found
