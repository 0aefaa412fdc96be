"""Which ports have series of their own is bounded, steady, and not for a crowd to decide."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.rows import Listener, ListenerRows
from exporter.kernel.tables import TABLES
from exporter.sampling.services.counting import TableCounter
from exporter.sampling.services.listening import ListenerMemory
from exporter.sampling.services.ports import OUTBOUND, PORTS
from exporter.sampling.services.ranking import choose_largest
from exporter.sampling.services.series import SERIES_KEPT_SECONDS, SeriesMemory
from exporter.sampling.snapshot import FoldedPort
from tests.support.procfs_tree import Printed
from tests.support.sampling.host import listening
from tests.support.sampling.port_rules import NOTHING_EXPECTED, make_rules
from tests.support.sampling.series import LEAKING as LEAKING_STATES
from tests.support.sampling.series import SeriesHost, show, show_states, shown_ports


def connections(port: int, number: int, state: int = states.ESTABLISHED) -> list[Printed]:
    """Return connections at a local port."""
    return [Printed(port, 20_000 + i, state) for i in range(number)]


CONFIGURED = [Printed(7001, 5)]
LEAKING = [Printed(7002, 5, states.CLOSE_WAIT)] * 2
NAMED = [Printed(22, 5)]
LISTENING = [listening(7003)]
BUSY = connections(7004, 500)


def test_what_is_configured_leaks_has_a_name_or_listens_comes_before_what_is_busy() -> None:
    """In this order, however few sockets it has."""
    order = ["7001", "7002", "22", "7003", "7004"]
    rows = CONFIGURED + LEAKING + NAMED + LISTENING + BUSY
    for limit in range(1, 6):
        series = SeriesHost(make_rules(names={7001: "ours"}, limit=limit)).see(0, tcp=rows)
        assert shown_ports(series) - {"other"} == set(order[:limit])
        assert (series.folded_ports, limit) == (5 - limit, limit)
    assert sum(show(series).values()) == len(rows)


def test_what_is_always_shown_does_not_count_towards_the_limit() -> None:
    rows = [listening(80)] * 3 + [listening(8080)]
    series = SeriesHost(make_rules(always=[22], limit=1)).see(0, tcp=rows)
    assert shown_ports(series) == {"other", "22", "80"}
    assert (series.folded_ports, series.folded_sockets) == (1, 1)


def test_two_ports_at_the_limit_do_not_take_turns() -> None:
    host = SeriesHost(make_rules(limit=1))
    host.see(0, tcp=connections(8001, 10) + connections(8002, 9))
    for now, rivals in ((1, 11), (2, 9), (3, 22)):
        series = host.see(now, tcp=connections(8001, 10) + connections(8002, rivals))
        assert shown_ports(series) == {"other", "8001"}
    series = host.see(4, tcp=connections(8001, 10) + connections(8002, 23))
    assert shown_ports(series) == {"other", "8002"}


@pytest.mark.parametrize("service", [CONFIGURED, LEAKING, NAMED])
def test_thousands_of_listeners_of_one_user_push_nobody_out(service: list[Printed]) -> None:
    crowd = [listening(10_000 + i % 110, inode=i) for i in range(4400)]
    rules = make_rules(names={7001: "ours"}, limit=5)
    series = SeriesHost(rules).see(0, tcp=crowd + service)
    port = str(service[0].local)
    assert sum(show_states(series, "inbound", port).values()) == len(service)
    assert series.folded_ports == 110 - 4
    assert len(shown_ports(series)) == 6


def test_among_listeners_the_sockets_count() -> None:
    """A service with connections comes before one that only listens."""
    crowd = [listening(10_000 + i) for i in range(3000)]
    series = SeriesHost(make_rules(limit=2)).see(0, tcp=[*crowd, listening(9000), *connections(9000, 3)])
    assert "9000" in shown_ports(series)


def test_among_listeners_one_with_a_full_queue_is_shown() -> None:
    """Otherwise nobody would know which one drops connections."""
    rules = make_rules(limit=2)
    counter = TableCounter(TABLES["tcp"], rules)
    counter.begin((), NOTHING_EXPECTED)
    waiting = {10_000 + i: 0 for i in range(3000)} | {10_900: 8}
    counter.observe(ListenerRows([Listener(port, bytes(16), n, 8, 1, 0) for port, n in waiting.items()]))
    series = SeriesMemory().fold({"tcp": counter.finish()}, rules, LEAKING_STATES, 0)
    assert "10900" in shown_ports(series)


def test_thousands_of_remote_ports_fold() -> None:
    """As a peer-to-peer client has: one socket at each is no service."""
    rows = [Printed(40_000 + i % 20_000, 1024 + i) for i in range(30_000)]
    series = SeriesHost().see(0, tcp=rows)
    assert len(show(series)) < 1200
    assert sum(show(series).values()) == 30_000


def test_local_ports_of_clients_are_one_port() -> None:
    """60,000 local ports; none of the ephemeral ones is a service that was folded."""
    clients = [Printed(local, 50000, local % 2 + 1) for local in range(32768, 61000)]
    datagrams = [Printed(local, state=7) for local in range(32768, 61000)]
    series = SeriesHost().see(0, tcp=clients, udp=datagrams)
    assert shown_ports(series) == {"50000", "51820", "other"}  # which has a name
    assert sum(show(series).values()) == len(clients) + len(datagrams)
    assert series.folded_ports == 0


def test_nothing_of_a_crowd_that_is_gone_costs() -> None:
    """31,000 listeners with connections, and a pass later none: what is kept is bounded by the limit."""
    host = SeriesHost(make_rules(limit=10))
    crowd = [listening(1024 + i) for i in range(31_000)]
    host.see(0, tcp=crowd, udp=[Printed(1024 + i, state=7) for i in range(31_000)])
    host.see(5, tcp=[], udp=[])
    host.see(10, tcp=[], udp=[])
    for name in ("tcp", "udp"):
        assert len(host.memory.listened(name, 10)) <= 10
        assert len(host.memory._listeners[name].lasting()) <= 10  # noqa: SLF001 - what it keeps is tested
        assert len(host.memory._seen[name]) <= 10 * 4 + 4  # noqa: SLF001


def test_ports_that_come_and_go_do_not_add_up() -> None:
    """Other ones at every pass for an hour: no more is remembered than may be shown."""
    host = SeriesHost(make_rules(limit=10))
    for number in range(100):
        start = 1024 + number * 20
        rows = [Printed(50_000, port) for port in range(start, start + 20) for _ in range(2 + number)]
        series = host.see(number * SERIES_KEPT_SECONDS / 101, tcp=rows)
        assert series.folded_ports <= 20
        assert len(host.memory._seen["tcp"]) <= 10 + 2  # noqa: SLF001 - what it keeps is tested
        assert len(host.memory.expected()) <= 22


def test_listeners_are_remembered_while_they_have_sockets_or_series() -> None:
    memory, rules = ListenerMemory(is_datagram=False), make_rules()
    memory.see({80, 81, 82}, Counter({80: 1, 81: 1, 82: 1}).__getitem__, rules, (), 0)
    memory.see((), Counter({80: 3}).__getitem__, rules, {81}, 5)
    assert set(memory.listened(5)) == set(memory.lasting()) == {80, 81}


@pytest.mark.parametrize(("is_datagram", "sockets", "expected"), [(True, 2, {50000}), (False, 2, set())])
def test_ephemeral_port_of_a_datagram_server_is_handed_on(
    *, is_datagram: bool, sockets: int, expected: set[int]
) -> None:
    """For as long as it has a socket that is not connected. A listener of TCP is listed before all others."""
    memory, rules = ListenerMemory(is_datagram=is_datagram), make_rules()
    memory.see({50000}, lambda _: sockets, rules, (), 0)
    assert set(memory.listened(5)) == expected
    memory.see((), lambda _: sockets, rules, (), 5)
    assert set(memory.listened(10)) == set()


def test_port_of_a_datagram_client_is_handed_on_once_it_has_lasted() -> None:
    """Else whoever gets the port of a short query next would be taken for a server."""
    memory, rules = ListenerMemory(is_datagram=True), make_rules()
    memory.see({50000, 50001}, lambda _: 1, rules, (), 0)
    assert set(memory.listened(5)) == set()
    memory.see({50001, 50002}, lambda _: 1, rules, (), 5)
    assert set(memory.listened(10)) == {50001}


@settings(max_examples=30)
@given(
    sockets=st.dictionaries(st.text(max_size=3), st.integers(0, 1000), max_size=30),
    shown=st.frozensets(st.text(max_size=3), max_size=5),
    limit=st.integers(1, 20),
)
def test_choice_is_steady(sockets: dict[str, int], shown: frozenset[str], limit: int) -> None:
    """As many as may be are chosen, and chosen again while nothing changes."""
    chosen = choose_largest(sockets, shown, limit)
    assert chosen <= sockets.keys()
    assert len(chosen) == min(limit, len(sockets))
    assert chosen == choose_largest(sockets, chosen, limit)


@pytest.mark.parametrize(("rival", "expected"), [(101, {"a"}), (125, {"a"}), (126, {"b"})])
def test_shown_name_keeps_its_place_until_another_has_a_quarter_more(rival: int, expected: set[str]) -> None:
    assert choose_largest({"a": 100, "b": rival}, ["a"], 1) == expected


def test_equal_names_are_chosen_in_order() -> None:
    """The choice is the same in every pass and after every restart."""
    assert choose_largest({"c": 5, "b": 5, "a": 5}, [], 2) == {"a", "b"}


def test_expected_services_are_those_of_ports_with_series() -> None:
    host = SeriesHost(make_rules(limit=1))
    host.see(0, tcp=connections(8001, 10))
    assert host.memory.expected() == {0, OUTBOUND, 8001, 8001 + PORTS}


def test_what_is_folded_can_be_named() -> None:
    """Ports over the limit come first, the busiest first; then those that never compete: ten of each."""
    rows = BUSY + connections(7005, 9) + connections(7006, 8) + connections(7007, 1)
    series = SeriesHost(make_rules(limit=1)).see(0, tcp=rows)
    assert series.folded_examples == (
        FoldedPort(7005, 9, is_over_limit=True),
        FoldedPort(7006, 8, is_over_limit=True),
        FoldedPort(7007, 1, is_over_limit=False, direction="inbound"),
    )
    crowd = [Printed(port, 20_000) for port in range(1024, 20_000)]
    assert len(SeriesHost(make_rules(limit=1)).see(0, tcp=crowd).folded_examples) == 20
