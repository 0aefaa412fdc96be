"""Every socket that dropped is found with what it dropped, over both sources, and no other is."""

from itertools import chain
from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.drops import Dropping, find_drops, parse_drops
from exporter.kernel.netlink import Cutter
from tests.support.kernel.messages import SHORTEST, SHUTDOWN, inet, message
from tests.support.procfs_tree import read_captured

MARK = pack("=HHI", 8, 15, 7)


def meminfo(drops: int, words: int = 9) -> bytes:
    """Make the attribute with the memory of a socket, as later kernels may lengthen it."""
    return pack("=HH8I", 4 + 4 * words, 7, *range(1, 9)) + pack("=I", drops) + bytes(4 * (words - 9))


def cut_and_find(messages: list[bytes]) -> list[Dropping]:
    """Find the drops in messages that arrive together."""
    blocks = Cutter(SHORTEST).cut(memoryview(b"".join(messages)))
    return list(chain.from_iterable(map(find_drops, blocks)))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 65535),
            st.one_of(st.just(0), st.integers(0, (1 << 32) - 1)),
            st.sampled_from([b"", SHUTDOWN, MARK, SHUTDOWN + MARK]),
            st.sampled_from([b"", SHUTDOWN, MARK]),
            st.sampled_from([9, 10]),
        )
    )
)
def test_messages(sockets: list[tuple[int, int, bytes, bytes, int]]) -> None:
    """Wherever the attribute stands, and whatever else there is."""
    messages = [
        inet((port, 53), states.CLOSE, attributes=before + meminfo(drops, words) + after, inode=number)
        for number, (port, drops, before, after, words) in enumerate(sockets)
    ]
    expected = [
        Dropping(port, 53, number, 0, drops) for number, (port, drops, *_) in enumerate(sockets) if drops
    ]
    assert sorted(expected) == sorted(cut_and_find(messages))


def test_cookie() -> None:
    """It has 64 bits, the lower half first."""
    fields = pack("=4B", 2, 7, 0, 0) + pack("!HH", 53, 0) + bytes(36) + pack("=II", 7, 1) + bytes(20)
    assert [Dropping(53, 0, 0, (1 << 32) + 7, 3)] == cut_and_find([message(fields + meminfo(3))])


@given(st.binary(max_size=80))
def test_any_attributes_are_read(attributes: bytes) -> None:
    """Nothing is raised, and a message without the attribute has no drops."""
    attributes += bytes(-len(attributes) % 4)
    cut_and_find([inet((53, 0), states.CLOSE, attributes=attributes)] * 2)


def test_captured_text() -> None:
    """One socket dropped the five datagrams that it was sent."""
    assert [] == list(parse_drops([read_captured("udp")]))
    ((port, remote, inode, cookie, drops),) = parse_drops([read_captured("udp6")])
    assert (514, 0, 0, 5) == (port, remote, cookie, drops)
    assert inode


def test_text_with_a_long_first_column_and_queues() -> None:
    line = (
        b"123456: 0100007F:0202 0200007F:0035 01 00000010:00000340 00:00000000 00000000 100000 "
        b"       0 3702459 2 0000000055277ced 4294967295       \n"
    )
    assert [Dropping(514, 53, 3702459, 0, 4294967295)] == list(parse_drops([line * 1]))
    assert [] == list(parse_drops([line.replace(b"4294967295", b"0         ")]))
