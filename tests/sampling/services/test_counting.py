"""Sockets are attributed as the rules say, whatever was counted before."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.procnet import parse_table
from exporter.kernel.rows import Batch, Listener
from exporter.kernel.tables import TABLES
from exporter.sampling.counting import (
    COUNTERS,
    PORTLESS,
    RECEIVE_QUEUE,
    SEND_QUEUE,
    TableCount,
    TcpCounter,
    UdpCounter,
)
from exporter.sampling.ports import PortRules, Service
from tests.support.procfs_tree import UNIX_HEADER, Printed, print_unix_row, read_captured
from tests.support.sampling import port_rules
from tests.support.sampling.port_rules import count_rows, make_rules

LISTENER_80 = Printed(80, state=states.LISTEN)
IN, OUT = "inbound", "outbound"


def attribute(protocol: str, row: Printed, listening: Collection[int], rules: PortRules) -> Service:
    """Say as naively as can be whose socket it is."""
    named = {*rules.names.of(protocol), *rules.always}
    configured = {*rules.names.configured, *rules.always}
    if row.local in listening if protocol == "tcp" else row.remote == 0:
        return Service(IN, row.local if row.local in named or row.local not in rules.ephemeral else 0)
    if row.remote in named:
        return Service(OUT, row.remote)
    if row.local in configured or (row.local in named and row.local not in rules.ephemeral):
        return Service(IN, row.local)
    return Service(OUT, 0)


def tally_naively(
    table: str, rows: Iterable[Printed], listening: Iterable[int], rules: PortRules
) -> Mapping[Service, Counter[int]]:
    """Count rows one by one."""
    rows = list(rows)
    protocol, known = TABLES[table].protocol, TABLES[table].states
    lately = {*listening, *(row.local for row in rows if row.state == states.LISTEN)}
    tallies: dict[Service, Counter[int]] = {}
    for row in rows:
        service = attribute(protocol, row, lately, rules)
        tally = tallies.setdefault(service, Counter())
        tally[row.state if row.state in known else states.UNKNOWN] += 1
        if protocol != "tcp" or row.state != states.LISTEN:
            tally[SEND_QUEUE] += row.send
            tally[RECEIVE_QUEUE] += row.receive
    return tallies


def tallies_of(count: TableCount) -> Mapping[Service, Counter[int]]:
    """Return tallies in a form that can be compared."""
    return {service: Counter(dict(enumerate(tally))) for service, tally in count.tallies.items()}


tables = st.lists(port_rules.sockets, max_size=30)


@pytest.mark.parametrize("table", ["tcp", "tcp6", "udp", "udp6", "udplite"])
@given(rows=tables, listening=st.frozensets(port_rules.ports, max_size=3), rules=port_rules.rules)
def test_attribution_agrees_with_a_naive_one(
    table: str, rows: list[Printed], listening: frozenset[int], rules: PortRules
) -> None:
    count = count_rows(table, rows, rules, listening)
    assert tally_naively(table, rows, listening, rules) == tallies_of(count)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (Printed(80, 50000), Service(IN, 80)),  # something listens there
        (Printed(80, 443), Service(IN, 80)),  # ... which tells more than the other end's name
        (Printed(50000, 443), Service(OUT, 443)),
        (Printed(22, 443), Service(OUT, 443)),  # nothing listens on our end
        (Printed(22, 50000), Service(IN, 22)),  # its daemon stopped long ago
        (Printed(50000, 50001), Service(OUT, 0)),
        (Printed(9999, 50001), Service(OUT, 0)),
        (Printed(40001, 50001), Service(OUT, 0)),  # has a name, but by chance
    ],
)
def test_whose_a_connection_is(row: Printed, expected: Service) -> None:
    count = count_rows("tcp", [LISTENER_80, row], make_rules())
    assert count.tallies[expected][states.ESTABLISHED] == 1


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (Printed(53, state=7), Service(IN, 53)),
        (Printed(9999, state=7), Service(IN, 9999)),
        (Printed(50000, state=7), Service(IN, 0)),
        (Printed(50000, 53), Service(OUT, 53)),
        (Printed(53, 50000), Service(IN, 53)),
        (Printed(50000, 50001), Service(OUT, 0)),
    ],
)
def test_whose_a_datagram_socket_is(row: Printed, expected: Service) -> None:
    assert list(count_rows("udp", [row], make_rules()).tallies) == [expected]


def test_listener_on_an_ephemeral_port_has_no_series_but_its_connections_come_in() -> None:
    rows = [Printed(50000, state=states.LISTEN, receive=2), Printed(50000, 443)]
    count = count_rows("tcp", rows, make_rules())
    assert list(count.tallies) == [Service(IN, 0)]
    assert count.accept_queues == {50000: 2}


def test_connections_of_a_listener_that_was_there_lately_come_in() -> None:
    rows = [Printed(9999, 443, states.CLOSE_WAIT)]
    assert list(count_rows("tcp", rows, make_rules(), [9999]).tallies) == [Service(IN, 9999)]
    assert list(count_rows("tcp", rows, make_rules()).tallies) == [Service(OUT, 443)]


def test_accept_queues_of_listeners_on_one_port_are_added() -> None:
    rows = [Printed(80, state=states.LISTEN, receive=n, inode=n) for n in (2, 5)]
    count = count_rows("tcp", rows, make_rules())
    assert count.accept_queues == {80: 7}
    assert count.tallies[Service(IN, 80)][states.LISTEN] == 2
    assert count.tallies[Service(IN, 80)][RECEIVE_QUEUE] == 0


@pytest.mark.parametrize("counter", [TcpCounter, UdpCounter])
@given(first=tables, second=tables, rules=port_rules.rules, listening=st.frozensets(port_rules.ports))
def test_nothing_is_left_of_the_pass_before(
    counter: type[UdpCounter],
    first: list[Printed],
    second: list[Printed],
    rules: PortRules,
    listening: frozenset[int],
) -> None:
    table = TABLES["tcp" if counter is TcpCounter else "udp"]
    used, fresh = counter(table, rules), counter(table, rules)
    used.count([make_batch(first)], listening)
    assert used.count([make_batch(second)]) == fresh.count([make_batch(second)])


def make_batch(rows: Iterable[Printed]) -> Batch:
    """Return the batch of some rows."""
    rows = list(rows)
    listeners = [Listener(row.local, row.receive, None) for row in rows if row.state == states.LISTEN]
    others = [
        (row.local, row.remote, row.state, row.send << 32 | row.receive)
        for row in rows
        if row.state != states.LISTEN
    ]
    return Batch(listeners, others, len(rows))


def test_a_count_that_failed_leaves_nothing_behind() -> None:
    """The batches end with an error half way; the next count is of its own rows only."""
    counter = TcpCounter(TABLES["tcp"], make_rules())

    def failing() -> Iterable[Batch]:
        yield make_batch([LISTENER_80, Printed(80, 1), Printed(1, 443)])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        counter.count(failing())
    left = counter.count([make_batch([Printed(50000, 631)])])
    assert list(left.tallies) == [Service(OUT, 631)]
    assert counter.count([]) == TableCount({}, {})


def test_numbers_of_batches_are_added() -> None:
    batches = [Batch((), (), 10, 1, 2, 3), Batch((), (), 20, 4, 5, 6)]
    assert TableCount({}, {}, {}, 30, 5, 7, 9) == TcpCounter(TABLES["tcp"], make_rules()).count(batches)


def test_protocols_without_ports_have_one_tally() -> None:
    """What stands in the place of a raw socket's port is its IP protocol."""
    count = count_rows("raw", [Printed(1, state=7, receive=5), Printed(255, state=1)], make_rules())
    assert {PORTLESS: Counter({7: 1, 1: 1, RECEIVE_QUEUE: 5})} == tallies_of(count)


def test_unix_sockets_are_counted_by_state() -> None:
    rows = [print_unix_row(3), print_unix_row(3), print_unix_row(1, 0x10000)]
    batches = parse_table(TABLES["unix"], [UNIX_HEADER, *rows])
    count = COUNTERS["unix"](TABLES["unix"], make_rules()).count(batches)
    assert count.tallies[PORTLESS][3] == 2
    assert count.tallies[PORTLESS][states.LISTEN] == 1


@pytest.mark.parametrize("table", TABLES)
def test_every_socket_of_a_captured_table_is_counted_once(table: str) -> None:
    batches = parse_table(TABLES[table], [read_captured(table)])
    count = COUNTERS[TABLES[table].protocol](TABLES[table], make_rules()).count(batches)
    found = sum(sum(tally[:SEND_QUEUE]) for tally in count.tallies.values())
    assert found == count.listed - count.malformed - count.repeated > 0
