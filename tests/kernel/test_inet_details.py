"""It is read how long sockets are idle, what memory they hold, and how they ended, wherever that stands."""

from itertools import chain
from socket import AF_INET, AF_INET6
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.diag_rows import DiagRows
from exporter.kernel.inet_details import Closed, Idle, Memory, read_closed
from exporter.kernel.netlink import Block, MessageSplitter
from exporter.kernel.rows import TIMER_KEEPALIVE
from exporter.kernel.tables import TABLES
from tests.support.kernel.messages import (
    MARK,
    PROTOCOL,
    SHORTEST,
    SHUTDOWN,
    cgroup,
    closed,
    inet,
    info,
    memory,
)

LIMIT = 3_600_000
TIMES = st.sampled_from([0, 1, 0xFFFF, LIMIT - 1, LIMIT, LIMIT + 1, 1 << 24, (1 << 32) - 1])
PREFIXES = st.sampled_from([b"", SHUTDOWN, MARK, SHUTDOWN + MARK])
NUMBERS = st.sampled_from([0, 0, 0, 1, 4096, (1 << 32) - 1])


def split(messages: list[bytes]) -> list[DiagRows]:
    """Return messages as they are received, in blocks of one length."""
    blocks = MessageSplitter(SHORTEST).split(memoryview(b"".join(messages)))
    return [DiagRows(TABLES["tcp"], block) for block in blocks]


def idle(*messages: bytes) -> list[Idle]:
    """Return the idle sockets among messages."""
    return sorted(chain.from_iterable(rows.idle(LIMIT) for rows in split(list(messages))))


def held(*messages: bytes) -> list[Memory]:
    """Return the sockets that hold memory among messages."""
    return sorted(chain.from_iterable(rows.memory() for rows in split(list(messages))))


@given(st.lists(st.tuples(PREFIXES, st.integers(0, 5), TIMES, TIMES), max_size=20))
def test_idle(sockets: list[tuple[bytes, int, int, int]]) -> None:
    """No data went either way for so long, and the socket waits for nothing."""
    messages = [
        inet((i, 80), states.ESTABLISHED, attributes=before + info(sent, received) + MARK, timer=timer)
        for i, (before, timer, sent, received) in enumerate(sockets)
    ]
    messages.append(inet((9, 80), states.CLOSE_WAIT, attributes=info(LIMIT, LIMIT) + MARK))
    expected = [
        (i, 80, timer == TIMER_KEEPALIVE)
        for i, (_, timer, sent, received) in enumerate(sockets)
        if min(sent, received) >= LIMIT and timer in {0, TIMER_KEEPALIVE}
    ]
    assert expected == idle(*messages)


def test_longer_than_the_kernel_counts() -> None:
    """No socket is idle for so long."""
    most = (1 << 32) - 1
    (rows,) = split([inet((1, 80), states.ESTABLISHED, attributes=info(most, most))])
    assert [1, 0, 0] == [len(list(rows.idle(limit))) for limit in (most, most + 1, 1 << 40)]


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


@pytest.mark.parametrize("place", range(4))
def test_memory_of_one_kind(place: int) -> None:
    """A socket that holds one kind only is found, whichever byte of the number is not 0."""
    numbers = [[1 << 8 * byte if kind == place else 0 for kind in range(4)] for byte in range(4)]
    messages = [inet((i, 80), states.ESTABLISHED, attributes=memory(*each)) for i, each in enumerate(numbers)]
    found = [
        list(amounts) for _, _, amounts in held(*messages, inet((9, 80), 1, attributes=memory(0, 0, 0, 0)))
    ]
    assert numbers == found


def test_cgroup_of_another_size() -> None:
    """The cgroup is unknown then, in a block of equal attributes and in one of several."""
    odd, holds = pack("=HHI", 8, 21, 7), memory(1, 0, 0, 0)
    alike = [inet((i, 80), states.ESTABLISHED, attributes=holds + odd) for i in range(2)]
    other = inet((2, 80), states.ESTABLISHED, attributes=holds + MARK)
    assert [0, 0] == [cgroup_id for _, cgroup_id, _ in held(*alike)]
    assert [0, 0, 0] == [cgroup_id for _, cgroup_id, _ in held(*alike, other)]


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


def ended(*messages: bytes) -> list[Closed]:
    """Return the sockets that were destroyed, of events."""
    lengths = {len(message) for message in messages}
    blocks = [Block(b"".join(m for m in messages if len(m) == length), length) for length in lengths]
    return sorted(chain.from_iterable(map(read_closed, blocks)))


@given(
    st.lists(st.tuples(st.sampled_from([b"", PROTOCOL, PROTOCOL + MARK]), st.booleans(), NUMBERS, NUMBERS))
)
def test_closed_connections(sockets: list[tuple[bytes, bool, int, int]]) -> None:
    """What was sent again is not counted twice, and a FIN is no data; later kernels have more to say."""
    messages, expected = [], []
    for i, (before, with_data, sent, resent) in enumerate(sockets):
        family = AF_INET6 if i % 2 else AF_INET
        messages.append(
            closed(
                (i + 1, 80),
                sent=sent,
                sent_again=7,
                received=9,
                segments=sent,
                resent=resent,
                with_data=with_data,
                family=family,
                before=before,
                behind=8 * (i % 3),
            )
        )
        received = 9 if with_data else 0
        numbers = max(sent - 7, 0), received, max(sent - resent, 0), resent
        expected.append(("connection", family, i + 1, 80, *numbers))
    assert sorted(expected) == ended(*messages)


def test_how_a_socket_ended() -> None:
    """By its remote port, by what was delivered, and by what seems to be queued."""
    found = ended(
        closed((1, 80), delivered=1),
        closed((2, 80), delivered=0, resent=6),
        closed((3, 0), queued=3, delivered=0),
        closed((4, 0), queued=65538, delivered=0),
        closed((5, 0), delivered=0),
    )
    assert {1: "connection", 2: "failed", 3: "failed", 4: "aborted", 5: "unconnected"} == {
        local_port: outcome for outcome, _, local_port, *_ in found
    }
    assert all(not any(numbers) for outcome, _, _, _, *numbers in found if outcome != "connection")


def test_event_without_its_numbers() -> None:
    """A tcp_info that is too short, or is not there, is none."""
    assert [] == ended(closed((1, 80))[:-65], inet((2, 80), states.CLOSE, attributes=PROTOCOL))
