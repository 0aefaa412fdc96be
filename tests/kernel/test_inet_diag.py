"""What a message says of its socket is told, and nothing that it does not say."""

import re
from itertools import compress
from socket import AF_INET, AF_INET6
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import inet_diag, states
from exporter.kernel.diag_rows import DiagRows
from exporter.kernel.inet_diag import MESSAGE_BYTES, divide_families, read_listeners, read_origins
from exporter.kernel.inet_requests import (
    ALL_STATES,
    ONLY_BOUND,
    ONLY_LISTEN,
    WANT_SKMEMINFO,
    ask_for,
    ask_for_tcp,
)
from exporter.kernel.netlink import SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK, Block
from exporter.kernel.rows import Listener, Origin, Queues, identify
from exporter.kernel.tables import TABLES
from tests.support.kernel.messages import (
    COOKIE,
    DESTINATION,
    SHUTDOWN,
    SOURCE,
    cgroup,
    inet,
    meminfo,
    message,
    whole,
)
from tests.support.kernel.parsed import INTERNET, ask_inet, parse_dump, read_dump, rows_of_tcp, split_dump
from tests.support.procfs_tree import read_captured


def test_sample_in_the_description() -> None:
    """What the message at the top of the module says is what is read of it."""
    lines = re.findall(
        r"^    (\d\d)  (16 bytes, 16 bytes|(?:[0-9a-f]{2} )+)", str(inet_diag.__doc__), re.MULTILINE
    )
    sample = bytearray()
    for place, text in lines:
        assert len(sample) in {0, int(place) - 16}
        sample += (SOURCE + DESTINATION) if "bytes" in text else bytes.fromhex(text)
    rows = rows_of_tcp(message(bytes(sample)))
    (socket,) = ask_inet(rows)
    assert (states.CLOSE_WAIT, 8080, 50000, Queues(0, 1), SOURCE, DESTINATION, 24362) == socket
    assert [(8080, 50000, identify(bytes(sample[4:40])))] == list(rows.tracked([0]))
    assert (MESSAGE_BYTES - 16) + 8 == len(sample)


def test_whole_message() -> None:
    rows = rows_of_tcp(whole(SHUTDOWN, cgroup(1 << 40)))
    (socket,) = ask_inet(rows)
    assert (states.CLOSE_WAIT, 80, 40000, Queues(2, 1), SOURCE, DESTINATION, 4) == socket
    assert [(80, 40000, identify(pack(">HH", 80, 40000) + SOURCE + DESTINATION))] == list(rows.tracked([0]))
    assert [Origin(80, SOURCE, 4, 1 << 40)] == list(rows.origins([0]))
    assert 1500 == rows.expires_milliseconds(0)
    assert [] == list(rows.dropping())


def test_fields_of_a_row() -> None:
    """Ports are in network order, the queues in the machine's; what was received comes first in a message."""
    rows = rows_of_tcp(inet((1, 65534), 1, (0x05060708, 0x01020304), SHUTDOWN))
    ((state, local, remote, queues),) = rows.unpack()
    assert (1, 1, 65534) == (state, local, remote)
    assert Queues(send=0x01020304, receive=0x05060708) == rows.split_queues(queues)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_queues(send: int, receive: int) -> None:
    """They are one number, which is 0 where both are empty, and nowhere else."""
    rows = rows_of_tcp(inet((1, 2), 1, (receive, send)))
    ((*_, queues),) = rows.unpack()
    assert Queues(send, receive) == rows.split_queues(queues)
    assert (queues == 0) == (send == receive == 0)


def listener(port: int, *attributes: bytes) -> bytes:
    """Return the message of a listener."""
    queues, ends = (port + 1, 128), SOURCE * 2
    return inet(
        (port, 0), states.LISTEN, queues, b"".join(attributes), inode=7, cookie=COOKIE, addresses=ends
    )


@pytest.mark.parametrize(
    ("attributes", "cgroup_id", "drops"),
    [
        ((SHUTDOWN, cgroup(9)), 9, None),
        ((meminfo(5), SHUTDOWN, cgroup(9)), 9, 5),
        ((cgroup(9), meminfo(2**32 - 1, 10)), 9, 2**32 - 1),
        ((SHUTDOWN, meminfo(0)), 0, 0),
        ((pack("=HH", 36, 7) + bytes(32), SHUTDOWN), 0, None),
        ((), 0, None),
    ],
)
def test_listeners_come_with_what_only_netlink_has(
    attributes: tuple[bytes, ...], cgroup_id: int, drops: int | None
) -> None:
    """An older kernel may not have all, and a shorter attribute has no drops."""
    messages = [listener(port, *attributes) for port in (80, 81)]
    expected = [Listener(port, SOURCE, port + 1, 128, 7, cgroup_id, COOKIE, drops) for port in (80, 81)]
    assert expected == list(read_listeners(Block(b"".join(messages), len(messages[0]))))


def test_listeners_of_one_length_may_have_different_attributes() -> None:
    """What is at the place of another's drops is not taken for drops."""
    other = bytearray(meminfo(6))
    other[2] = 99
    messages = [listener(port, each) for port, each in enumerate((meminfo(5), bytes(other), meminfo(7)))]
    found = read_listeners(Block(b"".join(messages), len(messages[0])))
    assert [5, None, 7] == [each.drops for each in found]


def test_origins_of_a_block() -> None:
    messages = [whole(SHUTDOWN, cgroup(9)), inet((81, 0), 13, attributes=SHUTDOWN + cgroup(8), inode=5)]
    block = Block(b"".join(messages), len(messages[0]))
    assert [Origin(80, SOURCE, 4, 9), Origin(81, bytes(16), 5, 8)] == list(read_origins(block))
    assert [Origin(81, bytes(16), 5, 8)] == list(DiagRows(TABLES["tcp"], block).origins([1]))


def test_without_cgroup() -> None:
    assert [Origin(80, SOURCE, 4, 0)] == list(read_origins(Block(whole(SHUTDOWN), len(whole(SHUTDOWN)))))


def test_messages_of_one_length_may_have_different_attributes() -> None:
    """Each is then read by its own; what is at the place of another's cgroup is not taken for one."""
    other = pack("=HHQ", 12, 22, 7)
    attributes = [(SHUTDOWN, cgroup(9)), (cgroup(9), SHUTDOWN), (SHUTDOWN, other), (SHUTDOWN, cgroup(9))]
    rows = rows_of_tcp(*(whole(*each) for each in attributes))
    assert [9, 9, 0, 9] == [origin.cgroup_id for origin in rows.origins(range(4))]


@pytest.mark.parametrize(
    "odd", [pack("=HHI", 8, 21, 7), pack("=HHQI", 16, 21, 7, 7), pack("=HHQ", 99, 21, 7)]
)
def test_cgroup_of_another_size_is_none(odd: bytes) -> None:
    (origin,) = rows_of_tcp(whole(odd)).origins([0])
    assert 0 == origin.cgroup_id


@given(st.lists(st.tuples(st.integers(0, 255), st.sampled_from([b"", SHUTDOWN]))))
def test_unknown_states_have_one_name(given_states: list[tuple[int, bytes]]) -> None:
    """No row is lost for its state, and nothing else of it is changed."""
    for table in ("tcp", "udp"):
        messages = (inet((1, 2), code, (3, 4), more, inode=5) for code, more in given_states)
        parsed = parse_dump(table, b"".join(messages))
        codes = sorted(code if code in TABLES[table].states else states.UNKNOWN for code, _ in given_states)
        assert len(codes) == parsed.listed
        assert codes == sorted(row[0] for row in parsed.rows)
        assert {(1, 2, (4, 3), bytes(16), bytes(16), 5)} >= {socket[1:] for socket in parsed.sockets}


@pytest.mark.parametrize(
    ("sockets", "minisockets"),
    [
        ([inet((1, 2), states.TIME_WAIT, timer=3)], 1),
        ([inet((1, 2), states.SYN_RECV, timer=1)], 1),
        ([inet((1, 2), states.SYN_RECV, attributes=SHUTDOWN, inode=256)], 0),
        ([inet((1, 2), states.SYN_RECV, attributes=SHUTDOWN, inode=1 << 31)], 0),
        ([inet((1, 2), states.FIN_WAIT2, timer=3)], 1),
        ([inet((1, 2), states.FIN_WAIT2, attributes=SHUTDOWN)], 0),
        ([inet((1, 2), states.ESTABLISHED, attributes=SHUTDOWN, timer=3)], 0),
    ],
)
def test_minisockets(sockets: list[bytes], minisockets: int) -> None:
    """What has no full socket behind it is counted, beside others."""
    others = [inet((3, 4), states.ESTABLISHED, attributes=SHUTDOWN), inet((5, 6), states.TIME_WAIT, timer=3)]
    assert minisockets + 1 == parse_dump("tcp", b"".join([*others, *sockets])).minisockets


@given(st.lists(st.sampled_from([AF_INET, AF_INET6, 0, 255]), min_size=1))
def test_families_are_told_apart(families: list[int]) -> None:
    """The messages of one family keep their order; where there are none, there is no block."""
    messages = [inet((port, 0), 1, family=family) for port, family in enumerate(families)]
    block = Block(b"".join(messages), MESSAGE_BYTES)
    expected = {
        wanted: Block(b"".join(compress(messages, map(wanted.__eq__, families))), MESSAGE_BYTES)
        for wanted in families
    }
    assert expected == dict(divide_families(block))


def test_requests() -> None:
    """As struct inet_diag_req_v2 and, for both families at once, struct inet_diag_req have it."""
    numbers = {"tcp": 6, "udp": 17, "udplite": 136, "raw": 255}
    for name in INTERNET:
        table = TABLES[name]
        family = AF_INET6 if name.endswith("6") else AF_INET
        expected = pack("=BBBBI48x", family, numbers[table.protocol], 0x40, 0, 0xFFF)
        assert (expected, 88, SOCK_DIAG_BY_FAMILY) == ask_for(table, attributes=WANT_SKMEMINFO)
    assert 1 << states.LISTEN == ONLY_LISTEN == ONLY_LISTEN & ALL_STATES
    assert 0 == ONLY_BOUND & ALL_STATES
    assert (pack("=4x48xII", 0xBFF, 0), 88, TCPDIAG_GETSOCK) == ask_for_tcp(ALL_STATES & ~ONLY_LISTEN)


@pytest.mark.parametrize("table", ["tcp", "tcp6"])
def test_recorded_sockets_are_those_of_procfs(table: str) -> None:
    """State, ports and inode of every socket, and no two connections have one identity."""
    parsed = parse_dump(table, read_dump(table))
    lines = [line.split() for line in read_captured(table).decode("ascii").splitlines()[1:]]
    text = [(*(int(line[i].split(":")[-1], 16) for i in (3, 1, 2)), int(line[9])) for line in lines]
    dump = [(one.state, one.local_port, one.remote_port, one.inode) for one in parsed.sockets]
    dump += [(states.LISTEN, one.port, 0, one.inode) for one in parsed.listeners]
    assert sorted(text) == sorted(dump)
    blocks = split_dump(table, read_dump(table))
    rows = [DiagRows(TABLES[table], block) for block in blocks]
    identities = [
        identity
        for each in rows
        for state, (*_, identity) in zip(each.states, each.tracked(range(each.listed)), strict=True)
        if state != states.LISTEN
    ]
    assert len(identities) == len(set(identities)) == len(parsed.sockets) > 0
