"""Of sockets in a dump it is read how long they are idle, and what memory they hold, wherever that stands."""

from itertools import chain
from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.inet_details import Idle, Memory, read_idle, read_memory
from exporter.kernel.netlink import Block, MessageSplitter
from exporter.kernel.rows import TIMER_KEEPALIVE
from tests.support.kernel.messages import MARK, SHORTEST, SHUTDOWN, cgroup, inet, info, memory

LIMIT = 3_600_000
TIMES = st.sampled_from([0, 1, LIMIT - 1, LIMIT, LIMIT + 1, (1 << 32) - 1])
PREFIXES = st.sampled_from([b"", SHUTDOWN, MARK, SHUTDOWN + MARK])
NUMBERS = st.sampled_from([0, 0, 0, 1, 4096, (1 << 32) - 1])


def split(messages: list[bytes]) -> list[Block]:
    """Return messages as they are received, in blocks of one length."""
    return MessageSplitter(SHORTEST).split(memoryview(b"".join(messages)))


def idle(*messages: bytes) -> list[Idle]:
    """Return the idle sockets among messages."""
    return sorted(chain.from_iterable(read_idle(block, LIMIT) for block in split(list(messages))))


def held(*messages: bytes) -> list[Memory]:
    """Return the sockets that hold memory among messages."""
    return sorted(chain.from_iterable(map(read_memory, split(list(messages)))))


@given(st.lists(st.tuples(PREFIXES, st.integers(0, 5), TIMES, TIMES), max_size=20))
def test_idle(sockets: list[tuple[bytes, int, int, int]]) -> None:
    """No data went either way for so long, and the socket waits for nothing."""
    messages = [
        inet((i, 80), states.ESTABLISHED, attributes=before + info(sent, received) + MARK, timer=timer)
        for i, (before, timer, sent, received) in enumerate(sockets)
    ]
    expected = [
        (i, 80, timer == TIMER_KEEPALIVE)
        for i, (_, timer, sent, received) in enumerate(sockets)
        if min(sent, received) >= LIMIT and timer in {0, TIMER_KEEPALIVE}
    ]
    assert expected == idle(*messages)


@given(st.lists(st.tuples(PREFIXES, NUMBERS, st.integers(-4096, 4096), NUMBERS, NUMBERS, st.booleans())))
def test_memory(sockets: list[tuple[bytes, int, int, int, int, bool]]) -> None:
    """What is reserved may be below 0 for a moment. A socket that holds nothing is passed over."""
    messages, expected = [], []
    for i, (before, receive, forward, send, backlog, has_cgroup) in enumerate(sockets):
        attributes = before + (cgroup(i + 7) if has_cgroup else b"") + memory(receive, forward, send, backlog)
        messages.append(inet((i, 80), states.ESTABLISHED, attributes=attributes))
        if receive or forward or send or backlog:
            cgroup_id = i + 7 if has_cgroup else 0
            expected.append(((i, 80), cgroup_id, (receive, forward, send, backlog)))
    assert expected == held(*messages)


def test_attribute_at_another_place_in_messages_of_one_length() -> None:
    """None is taken for another."""
    found = [MARK + info(LIMIT, LIMIT), info(LIMIT, LIMIT) + MARK, MARK + info(0, LIMIT)]
    messages = [inet((i, 80), 1, attributes=each) for i, each in enumerate(found)]
    assert [(0, 80, False), (1, 80, False)] == idle(*messages)
    first = inet((1, 80), 1, attributes=cgroup(9) + MARK + memory(1, 0, 0, 0))
    second = inet((2, 80), 1, attributes=MARK + cgroup(8) + memory(1, 0, 0, 0))
    assert [9, 8] == [cgroup_id for _, cgroup_id, _ in held(first, second)]


def test_sockets_without_the_attribute() -> None:
    """A minisocket has none, and an attribute that is too short says nothing."""
    short = pack("=HH44x", 48, 2)
    assert [] == idle(inet((1, 80), states.TIME_WAIT), inet((2, 80), 1, attributes=short + bytes(40)))
    assert [] == held(inet((1, 80), states.TIME_WAIT), inet((2, 80), 1, attributes=pack("=HH28x", 32, 7)))


@given(st.binary(max_size=120))
def test_any_attributes_are_read(attributes: bytes) -> None:
    """Nothing is raised."""
    attributes += bytes(-len(attributes) % 4)
    messages = [inet((1, 80), 1, attributes=attributes)] * 2
    assert len(idle(*messages)) <= 2 >= len(held(*messages))
