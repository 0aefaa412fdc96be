"""Sockets are attributed as the rules say, whatever was counted before."""

import tracemalloc
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.procnet import parse_table
from exporter.kernel.rows import Listener, ListenerRows
from exporter.kernel.tables import TABLES
from exporter.sampling.services.counting import Counters, TableCounter
from exporter.sampling.services.counts import RECEIVE_QUEUE, SEND_QUEUE, AcceptQueue, TableCount
from exporter.sampling.services.ports import OUTBOUND, PORTS, PortRules
from tests.support.procfs_tree import (
    Printed,
    print_row,
    print_table,
    read_captured,
)
from tests.support.sampling import port_rules
from tests.support.sampling.host import listening
from tests.support.sampling.port_rules import (
    NOTHING_EXPECTED,
    count_rows,
    count_text,
    make_counter,
    make_rules,
)

UNCONNECTED = states.CLOSE
FEW = settings(max_examples=30)  # each makes a counter, which knows of every port

tables = st.lists(port_rules.sockets, max_size=30)
expectations = st.frozensets(
    st.one_of(port_rules.ports, port_rules.ports.map(lambda port: port + OUTBOUND)), max_size=8
).map(lambda services: services | NOTHING_EXPECTED)


def attribute(protocol: str, row: Printed, listens: Collection[int], rules: PortRules) -> int:
    """Say as naively as can be whose socket it is: the rules (a) to (d)."""
    is_ephemeral = row.local in rules.ephemeral and not any(row.local in ports for ports in rules.reserved)
    if row.local in listens:
        return row.local
    if is_ephemeral or row.remote in {*rules.names.of(protocol), *rules.always}:
        return row.remote + OUTBOUND
    return row.local


def find_listening(protocol: str, rows: Iterable[Printed]) -> set[int]:
    """Return the ports that listen, or have an unconnected datagram socket."""
    rows = list(rows)
    if protocol == "tcp":
        return {row.local for row in rows if row.state == states.LISTEN}
    has_unconnected = any(row.state == UNCONNECTED for row in rows)
    return {row.local for row in rows if not row.remote} if has_unconnected else set()


def tally_naively(
    table: str, rows: Iterable[Printed], listened: Iterable[int], rules: PortRules
) -> Mapping[int, Counter[int]]:
    """Count rows one by one."""
    rows = list(rows)
    protocol, known = TABLES[table].protocol, TABLES[table].states
    listens = {*listened, *find_listening(protocol, rows)}
    tallies: dict[int, Counter[int]] = {}
    for row in rows:
        tally = tallies.setdefault(attribute(protocol, row, listens, rules), Counter())
        tally[row.state if row.state in known else states.UNKNOWN] += 1
        if protocol != "tcp" or row.state != states.LISTEN:
            tally[SEND_QUEUE] += row.send
            tally[RECEIVE_QUEUE] += row.receive
    return tallies


def tallies_of(count: TableCount) -> Mapping[int, Counter[int]]:
    """Return all of a count in a form that can be compared."""
    found = {service: Counter(dict(enumerate(tally))) for service, tally in count.tallies.items()}
    for service, state, number in count.rare.entries():
        found.setdefault(service, Counter())[state] += number
    for service, (send, receive) in count.rare_queues.items():
        found[service][SEND_QUEUE] += send
        found[service][RECEIVE_QUEUE] += receive
    return found


def service_of(table: str, row: Printed, *others: Printed, rules: PortRules | None = None) -> int:
    """Return the service of the last row."""
    used = rules or make_rules()
    before = count_rows(table, others, used).sockets
    after = count_rows(table, [*others, row], used).sockets
    (service,) = (service for service, number in after.items() if number > before.get(service, 0))
    return service


@pytest.mark.parametrize("table", ["tcp", "tcp6", "udp", "udp6", "udplite"])
@FEW
@given(
    rows=tables,
    listened=st.frozensets(port_rules.ports, max_size=3),
    rules=port_rules.rules,
    expected=expectations,
)
def test_attribution_agrees_with_a_naive_one(
    table: str, rows: list[Printed], listened: frozenset[int], rules: PortRules, expected: frozenset[int]
) -> None:
    """Whatever is expected to be found: that is about speed alone."""
    count = count_rows(table, rows, rules, listened, expected)
    assert tally_naively(table, rows, listened, rules) == tallies_of(count)


@pytest.mark.parametrize("table", ["tcp", "udp"])
@FEW
@given(rows=tables, listened=st.frozensets(port_rules.ports, max_size=3), rules=port_rules.rules)
def test_a_socket_that_is_looked_at_alone_has_the_service_it_was_counted_with(
    table: str, rows: list[Printed], listened: frozenset[int], rules: PortRules
) -> None:
    """So ages and owners agree with the counts."""
    counter = make_counter(table, rules)
    assert isinstance(counter, TableCounter)
    content = print_table(table, (row._replace(peer=i) for i, row in enumerate(rows)))
    count = count_text(counter, table, [content], listened)
    found = Counter(
        row.local
        if table == "tcp" and row.state == states.LISTEN
        else counter.find_service(row.local, row.remote)
        for row in rows
    )
    assert found == Counter({service: number for service, number in count.sockets.items() if number})


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (Printed(80, 50000), 80),  # (a) something listens there
        (Printed(80, 443), 80),  # ... which tells more than the other end's name
        (Printed(50000, 443), 443 + OUTBOUND),  # (b) the kernel chose our port
        (Printed(50000, 50001), 50001 + OUTBOUND),  # ... whatever the other end's port is
        (Printed(40001, 9999), 9999 + OUTBOUND),  # ... and whatever name ours has
        (Printed(22, 443), 443 + OUTBOUND),  # (c) nothing listens on our end, the other end has a name
        (Printed(22, 50000), 22),  # (d) its daemon stopped long ago
        (Printed(9999, 50001), 9999),
    ],
)
def test_whose_a_connection_is(row: Printed, expected: int) -> None:
    assert service_of("tcp", row, listening(80)) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (Printed(53, state=UNCONNECTED), 53),
        (Printed(9999, state=UNCONNECTED), 9999),
        (Printed(50000, state=UNCONNECTED), 50000),
        (Printed(50000, 53), 53 + OUTBOUND),
        (Printed(50000, 50001), 50001 + OUTBOUND),
        (Printed(53, 50000), 53),  # (d)
    ],
)
def test_whose_a_datagram_socket_is(row: Printed, expected: int) -> None:
    assert service_of("udp", row) == expected


@pytest.mark.parametrize("port", [53, 443, 50000])
def test_a_server_of_udp_with_connected_sockets_takes_them_in(port: int) -> None:
    """As QUIC, DTLS and VPNs do: one socket that is not connected, and one for each client."""
    assert service_of("udp", Printed(port, 443), Printed(port, state=UNCONNECTED)) == port


def test_a_reserved_port_is_not_one_that_the_kernel_chose() -> None:
    rules = make_rules(reserved=[range(50000, 50010)])
    assert service_of("tcp", Printed(50000, 50020), rules=rules) == 50000
    assert service_of("tcp", Printed(50000, 443), rules=rules) == 443 + OUTBOUND
    assert service_of("tcp", Printed(50010, 50020), rules=rules) == 50020 + OUTBOUND


def test_connections_of_a_listener_that_was_there_lately_come_in() -> None:
    rows = [Printed(9999, 443, states.CLOSE_WAIT)]
    assert list(count_rows("tcp", rows, make_rules(), [9999]).sockets) == [9999]


def test_a_listener_in_the_ephemeral_range_takes_in_its_connections_at_once() -> None:
    """Whether it has a series of its own is another question."""
    count = count_rows("tcp", [listening(50000, 2), Printed(50000, 443)], make_rules())
    assert {50000: 2} == count.sockets
    assert {50000} == count.listening
    assert count.accept_queues[50000].waiting == 2


def test_accept_queues_are_those_of_listeners_not_bytes() -> None:
    rows = [listening(80, waiting=n, inode=n) for n in (2, 5)]
    count = count_rows("tcp", rows, make_rules())
    assert count.accept_queues == {80: AcceptQueue(waiting=7, sockets=2)}
    assert count.sockets == {80: 2}
    assert not any(tally[RECEIVE_QUEUE] for tally in tallies_of(count).values())


def test_accept_queue_is_that_of_the_fullest_listener() -> None:
    """Workers with SO_REUSEPORT, and programs at different addresses, are never averaged away."""
    counter = make_counter("tcp", make_rules())
    assert isinstance(counter, TableCounter)
    counter.begin((), NOTHING_EXPECTED)
    queues = [(0, 1000), (128, 128), (3, 512)]
    counter.observe(ListenerRows([Listener(80, bytes(16), n, limit, 1, 0) for n, limit in queues]))
    queue = counter.finish().accept_queues[80]
    assert (queue.waiting, queue.limit, queue.utilization, queue.sockets) == (131, 1640, 1.0, 3)


@pytest.mark.parametrize(("waiting", "limit", "expected"), [(0, 0, 0.0), (1, 0, 1.0), (3, 2, 1.5), (0, 8, 0)])
def test_utilization(waiting: int, limit: int, expected: float) -> None:
    """The kernel lets one more in than the limit says, and a limit of 0 is full with the first."""
    queue = AcceptQueue()
    queue.add(waiting, limit)
    assert queue.utilization == expected


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(0, 9)), max_size=5), max_size=4)
)
def test_queues_of_ports_that_are_folded_are_joined(ports: list[list[tuple[int, int | None]]]) -> None:
    """As if all their listeners had been at one port."""
    joined, together = AcceptQueue(), AcceptQueue()
    for listeners in ports:
        own = AcceptQueue()
        for waiting, limit in listeners:
            own.add(waiting, limit)
            together.add(waiting, limit)
        joined.join(own)
    assert joined == together


def split(rows: Iterable[Printed], table: str) -> list[bytes]:
    """Return the text of a table, each row in a block of its own, with an address of its own."""
    lines = [print_row(table, row._replace(peer=i), i) for i, row in enumerate(rows)]
    return [print_table(table), *lines]


@pytest.mark.parametrize("table", ["tcp", "udp"])
@FEW
@given(
    passes=st.lists(st.tuples(tables, st.frozensets(port_rules.ports, max_size=3), expectations), max_size=4),
    rules=port_rules.rules,
)
def test_nothing_is_left_of_the_pass_before(
    table: str, passes: list[tuple[list[Printed], frozenset[int], frozenset[int]]], rules: PortRules
) -> None:
    used = make_counter(table, rules)
    for rows, listened, expected in passes:
        content = [print_table(table, (row._replace(peer=i) for i, row in enumerate(rows)))]
        found = tallies_of(count_text(used, table, content, listened, expected))
        fresh = tallies_of(count_text(make_counter(table, rules), table, content, listened))
        assert found == fresh


def test_listeners_come_before_what_they_accepted_in_any_block() -> None:
    """The kernel lists them first; what comes later in another block is still theirs."""
    blocks = split([listening(9999), Printed(9999, 443), Printed(50000, 443)], "tcp")
    count = count_text(make_counter("tcp", make_rules()), "tcp", blocks)
    assert count.sockets == {9999: 2, 443 + OUTBOUND: 1}


@pytest.mark.parametrize("table", TABLES)
def test_every_socket_of_a_captured_table_is_counted_once(table: str) -> None:
    text = read_captured(table)
    count = count_text(make_counter(table, make_rules()), table, [text])
    malformed = sum(rows.malformed for rows in parse_table(TABLES[table], [text]))
    assert sum(count.sockets.values()) == text.count(b"\n") - 1 - malformed > 0


def test_a_counter_that_was_left_is_replaced() -> None:
    """A read that hangs may add to it at any time; one that was finished is used again."""
    counters, tcp = Counters(make_rules()), TABLES["tcp"]
    first = counters.begin(tcp, (), NOTHING_EXPECTED)
    counters.finish("tcp")
    second = counters.begin(tcp, (), NOTHING_EXPECTED)
    assert second is first
    third = counters.begin(tcp, (), NOTHING_EXPECTED)
    assert third is not second


def test_other_rules_take_another_counter() -> None:
    rules, tcp = make_rules(), TABLES["tcp"]
    counters = Counters(rules)
    first = counters.begin(tcp, (), NOTHING_EXPECTED)
    counters.finish("tcp")
    counters.change_rules(rules)
    assert counters.begin(tcp, (), NOTHING_EXPECTED) is first
    counters.finish("tcp")
    counters.change_rules(make_rules(always=[9999]))
    assert counters.begin(tcp, (), NOTHING_EXPECTED) is not first


def test_a_counter_does_not_grow_with_services_that_have_gone() -> None:
    """Services with series come and go for ever; it is made anew now and then."""
    counters, tcp = Counters(make_rules()), TABLES["tcp"]
    made: list[TableCounter] = []
    for number in range(0, PORTS, 500):
        expected = NOTHING_EXPECTED | {port % PORTS for port in range(number, number + 500)}
        counter = counters.begin(tcp, (), frozenset(expected))
        assert isinstance(counter, TableCounter)
        counters.finish("tcp")
        if not made or counter is not made[-1]:
            made.append(counter)
        assert len(counter._tallies) < 5000  # noqa: SLF001 - what it keeps is what is tested
    assert len(made) > 1


def test_a_table_that_is_empty_takes_little_memory() -> None:
    """Its counter knows of every port from the first row on."""
    rules = make_rules()
    count_text(TableCounter(TABLES["tcp"], rules), "tcp", [print_table("tcp", [])])  # what all of them share
    held_bytes = {}
    for rows in ([], [Printed(80, 1, states.ESTABLISHED)]):
        tracemalloc.start()
        try:
            counter = TableCounter(TABLES["tcp"], rules)
            for _ in range(2):
                count_text(counter, "tcp", [print_table("tcp", rows)], listened=(80,))
            held_bytes[len(rows)], _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert 10 * held_bytes[0] < held_bytes[1]
