"""What a message says of its socket is told, and nothing that it does not say."""

from pathlib import Path
from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel.netlink import Block, Cutter
from exporter.kernel.sockdetails import Detail, parse_details
from exporter.kernel.sockdiag import question_of
from exporter.kernel.tables import TABLES
from tests.support.kernel.messages import SHUTDOWN, message

FIXTURES = Path(__file__).parents[1] / "fixtures"
CGROUP = pack("=HHQ", 12, 21, 1 << 40)


def inet_diag(family: int, *attributes: bytes) -> bytes:
    """Make a message with every field of its own."""
    addresses = bytes(range(1, 17)) + bytes(range(17, 33))
    fields = pack("=4B", family, 8, 0, 0) + pack("!HH", 80, 40000) + addresses + pack("=I", 0)
    return message(fields + pack("=II", 7, 1) + pack("=5I", 0, 1, 2, 3, 4) + b"".join(attributes))


SOCKET = Detail(80, 40000, 8, 4, (1 << 32) + 7, bytes(range(1, 17)), 1 << 40)


def parse(*messages: bytes) -> list[Detail]:
    """Return the sockets of messages of one length."""
    return list(parse_details(Block(b"".join(messages), len(messages[0]))))


def test_whole_message() -> None:
    assert [SOCKET] == parse(inet_diag(2, SHUTDOWN, CGROUP))


def test_without_cgroup() -> None:
    assert [SOCKET._replace(cgroup_id=0)] == parse(inet_diag(10, SHUTDOWN))


def test_messages_of_one_length_may_have_different_attributes() -> None:
    """Each is then read by its own; what is at the place of another's cgroup is not taken for one."""
    other = pack("=HHQ", 12, 22, 7)
    messages = [(SHUTDOWN, CGROUP), (CGROUP, SHUTDOWN), (SHUTDOWN, other), (SHUTDOWN, CGROUP)]
    cgroup_ids = [one.cgroup_id for one in parse(*(inet_diag(2, *attributes) for attributes in messages))]
    assert [1 << 40, 1 << 40, 0, 1 << 40] == cgroup_ids


@given(st.lists(st.binary(min_size=60, max_size=60), min_size=1))
def test_any_attributes_are_read(attributes: list[bytes]) -> None:
    found = parse(*(inet_diag(2, each) for each in attributes))
    assert [SOCKET] * len(attributes) == [one._replace(cgroup_id=SOCKET.cgroup_id) for one in found]


def test_recorded_sockets_are_those_of_procfs() -> None:
    """Ports, state and inode of every socket."""
    for table in ("tcp", "tcp6"):
        datagrams = memoryview((FIXTURES / f"sockdiag_{table}.bin").read_bytes())
        blocks = Cutter(question_of(TABLES[table]).shortest).cut(datagrams)
        found = [one for block in blocks for one in parse_details(block)]
        assert sorted(procfs_sockets(table)) == sorted(one[:4] for one in found)
        cookies = [one.cookie for one in found]
        assert len(cookies) == len(set(cookies))


def procfs_sockets(table: str) -> list[tuple[int, ...]]:
    """Return both ports, state and inode of every row."""
    lines = (FIXTURES / "proc" / "self" / "net" / table).read_text(encoding="ascii").splitlines()[1:]
    rows = [line.split() for line in lines]
    return [(*(int(cell.split(":")[-1], 16) for cell in row[1:4]), int(row[9])) for row in rows]
