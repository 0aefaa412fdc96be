"""What a message says of its socket is told, and nothing that it does not say."""

from pathlib import Path
from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel.netlink import Block, Cutter
from exporter.kernel.sockdetails import Detail, parse_detail
from exporter.kernel.sockdiag import question_of
from exporter.kernel.tables import TABLES
from tests.kernel.messages import SHUTDOWN, message

FIXTURES = Path(__file__).parents[1] / "fixtures"
CGROUP = pack("=HHQ", 12, 21, 1 << 40)


def inet_diag(family: int, *attributes: bytes) -> bytes:
    """Make a message with every field of its own."""
    addresses = bytes(range(1, 17)) + bytes(range(17, 33))
    fields = pack("=4B", family, 8, 0, 0) + pack("!HH", 80, 40000) + addresses + pack("=I", 0)
    return message(fields + pack("=II", 7, 1) + pack("=5I", 0, 1, 2, 3, 4) + b"".join(attributes))


def test_ipv4() -> None:
    expected = Detail(bytes([1, 2, 3, 4]), 80, bytes([17, 18, 19, 20]), 40000, 8, 4, (1 << 32) + 7, 1 << 40)
    assert expected == parse_detail(inet_diag(2, SHUTDOWN, CGROUP))


def test_ipv6_without_cgroup() -> None:
    detail = parse_detail(inet_diag(10, SHUTDOWN))
    assert (bytes(range(1, 17)), bytes(range(17, 33))) == (detail.local_address, detail.remote_address)
    assert detail.cgroup_id is None


@given(st.binary(max_size=60))
def test_any_attributes_are_read(attributes: bytes) -> None:
    assert 4 == parse_detail(inet_diag(2, attributes)).inode


def test_recorded_sockets_are_those_of_procfs() -> None:
    """Addresses, ports and inodes of every socket."""
    for table, bytes_of_address in (("tcp", 4), ("tcp6", 16)):
        datagrams = memoryview((FIXTURES / f"sockdiag_{table}.bin").read_bytes())
        blocks = Cutter(question_of(TABLES[table]).shortest).cut(datagrams)
        found = [parse_detail(one) for block in blocks for one in split_block(block)]
        assert {bytes_of_address} == {len(one.local_address) for one in found}
        assert sorted(procfs_sockets(table)) == sorted(map(as_in_procfs, found))
        cookies = [one.cookie for one in found]
        assert len(cookies) == len(set(cookies))


def split_block(block: Block) -> list[bytes]:
    """Return the messages of a block."""
    return [block.data[i : i + block.length] for i in range(0, len(block.data), block.length)]


def procfs_sockets(table: str) -> list[tuple[str, str, int, int]]:
    """Return local and remote end, state and inode of every row."""
    lines = (FIXTURES / "proc" / "self" / "net" / table).read_text(encoding="ascii").splitlines()[1:]
    rows = [line.split() for line in lines]
    return [(row[1], row[2], int(row[3], 16), int(row[9])) for row in rows]


def as_in_procfs(one: Detail) -> tuple[str, str, int, int]:
    """Print both ends as procfs does."""
    local = f"{print_address(one.local_address)}:{one.local_port:04X}"
    remote = f"{print_address(one.remote_address)}:{one.remote_port:04X}"
    return local, remote, one.state, one.inode


def print_address(address: bytes) -> str:
    """Print words, the lowest byte first, as the machine did where the fixtures are from."""
    words = [address[i : i + 4][::-1] for i in range(0, len(address), 4)]
    return b"".join(words).hex().upper()
