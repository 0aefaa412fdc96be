"""Every socket that dropped is found with what it dropped, and no other is."""

from itertools import chain
from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.diag_rows import DiagRows
from exporter.kernel.netlink import MessageSplitter
from exporter.kernel.rows import Dropping
from exporter.kernel.tables import TABLES
from tests.support.kernel.messages import MARK, SHORTEST, SHUTDOWN, inet, meminfo


def find(messages: list[bytes]) -> list[Dropping]:
    """Find the drops in messages that arrive together."""
    blocks = MessageSplitter(SHORTEST).split(memoryview(b"".join(messages)))
    return list(chain.from_iterable(DiagRows(TABLES["udp"], block).dropping() for block in blocks))


DROPS = st.one_of(st.just(0), st.integers(0, (1 << 32) - 1), st.integers(0, 31).map(lambda bit: 1 << bit))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 65535),
            DROPS,
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
    assert sorted(expected) == sorted(find(messages))


@given(st.lists(DROPS, min_size=1, max_size=300))
def test_messages_that_are_alike(drops: list[int]) -> None:
    """As the kernel sends them: the sockets without drops are passed over in C."""
    messages = [inet((i, 0), states.CLOSE, attributes=meminfo(each), inode=i) for i, each in enumerate(drops)]
    assert [Dropping(i, 0, i, 0, each) for i, each in enumerate(drops) if each] == find(messages)


def test_some_messages_without_the_attribute() -> None:
    """Of messages of one length some may have another attribute in its place, the first one, too."""
    other = meminfo(9).replace(b"\x07\x00", b"\x63\x00", 1)
    for first, second in ((meminfo(5), other), (other, meminfo(5))):
        messages = [inet((53, 0), states.CLOSE, attributes=each) for each in (first, second, first)]
        found = [message for message in messages if message.endswith(meminfo(5))]
        assert [Dropping(53, 0, 0, 0, 5)] * len(found) == find(messages)


def test_attribute_at_another_place_in_messages_of_one_length() -> None:
    """No socket is passed over because there is nothing where the first message has its drops."""
    first, second = SHUTDOWN + meminfo(5), meminfo(6) + SHUTDOWN
    messages = [inet((53, 0), states.CLOSE, attributes=each) for each in (first, second)]
    assert [5, 6] == [each.drops for each in find(messages)]


def test_cookie() -> None:
    """It has 64 bits, the lower half first."""
    cookie = (1 << 32) + 7
    one = inet((53, 0), states.CLOSE, attributes=meminfo(3), cookie=cookie, inode=6)
    assert [Dropping(53, 0, 6, cookie, 3)] == find([one])


def test_shorter_than_the_drops() -> None:
    """An attribute of eight words ends before them, whatever follows it."""
    short = pack("=HH8I", 4 + 4 * 8, 7, *range(1, 9))
    assert [] == find([inet((53, 0), states.CLOSE, attributes=short + MARK)] * 2)


@given(st.binary(max_size=80))
def test_any_attributes_are_read(attributes: bytes) -> None:
    """Nothing is raised, and a message without the attribute has no drops."""
    attributes += bytes(-len(attributes) % 4)
    find([inet((53, 0), states.CLOSE, attributes=attributes)] * 2)
