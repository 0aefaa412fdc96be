"""Series have the zeros that help, none that cannot be, and end when nothing is left to say."""

import pytest

from exporter.kernel import states
from exporter.kernel.tables import TABLES
from exporter.sampling.services.counts import TableCount
from exporter.sampling.services.listening import LISTENERS_KEPT_SECONDS
from exporter.sampling.services.series import SERIES_KEPT_SECONDS, SeriesMemory
from tests.support.procfs_tree import Printed
from tests.support.sampling.host import listening
from tests.support.sampling.port_rules import make_rules
from tests.support.sampling.series import LEAKING, SeriesHost, show, show_states, shown_ports

HOUR = 3600.0
INBOUND = dict.fromkeys(("established", "syn_recv", "time_wait", "close_wait", "listen"), 0)
OUTBOUND = dict.fromkeys(("established", "syn_sent", "time_wait", "close_wait"), 0)


def test_table_without_rows_has_zeros_for_what_is_always_shown_and_for_other() -> None:
    series = SeriesHost(make_rules(always=[443])).see(0, tcp=[])
    expected = {
        ("tcp", direction, port, state): 0
        for port in ("443", "other")
        for direction, zeros in (("inbound", INBOUND), ("outbound", OUTBOUND))
        for state in zeros
    }
    assert show(series) == expected


def test_datagrams_have_the_states_that_they_are_in() -> None:
    series = SeriesHost().see(0, udp=[Printed(53, state=states.CLOSE), Printed(50000, 443)])
    assert show_states(series, "inbound", "53", "udp") == {"unconnected": 1}
    assert show_states(series, "outbound", "443", "udp") == {"established": 1}


@pytest.mark.parametrize("table", ["raw", "raw6", "unix"])
def test_table_without_ports_has_explicit_zeros(table: str) -> None:
    """For every state; an empty label stands where none has a meaning."""
    series = SeriesMemory().fold({table: TableCount({})}, make_rules(), LEAKING, 0)
    assert show(series) == {(table, "", "", state): 0 for state in TABLES[table].states.values()}


def test_table_that_was_not_read_has_no_series() -> None:
    """A zero is never made up, not even of what was there before."""
    host = SeriesHost(make_rules(always=[443]))
    host.see(0, tcp=[listening(80), Printed(80, 1)], tcp6=[])
    assert {key[0] for key in show(host.see(1, tcp6=[]))} == {"tcp6"}
    assert host.memory.listened("tcp", 1) == (80,)
    assert host.memory.listened("tcp", 601) == ()


def test_listener_has_the_zeros_that_help() -> None:
    """And other states only where there are sockets."""
    rows = [listening(80), Printed(80, 5, states.CLOSE_WAIT), Printed(80, 6, states.FIN_WAIT2)]
    series = SeriesHost().see(0, tcp=rows)
    expected = {**INBOUND, "listen": 1, "close_wait": 1, "fin_wait2": 1}
    assert show_states(series, "inbound", "80") == expected
    assert show_states(series, "outbound", "80") == {}


def test_outbound_service_that_was_seen_has_the_zeros_that_help() -> None:
    series = SeriesHost().see(0, tcp=[Printed(50000, 5432)])
    assert show_states(series, "outbound", "5432") == {**OUTBOUND, "established": 1}


def test_pairs_that_cannot_be_never_appear() -> None:
    """Nothing that goes out listens, and nothing that comes in is about to connect."""
    host = SeriesHost(make_rules(always=[443]))
    for now in (0, 5):
        series = host.see(
            now, tcp=[listening(80), Printed(80, 1), Printed(50000, 443)], udp=[Printed(53, state=7)]
        )
        pairs = {(key[1], key[3]) for key in show(series)}
        assert not pairs & {("outbound", "listen"), ("inbound", "syn_sent"), ("outbound", "syn_recv")}


def test_an_odd_state_stays_at_zero_for_an_hour() -> None:
    host = SeriesHost()
    host.see(0, tcp=[listening(80), Printed(80, 1, states.FIN_WAIT2)])
    assert SERIES_KEPT_SECONDS == HOUR
    for now in (5, HOUR):
        assert show_states(host.see(now, tcp=[listening(80)]), "inbound", "80")["fin_wait2"] == 0
    assert "fin_wait2" not in show_states(host.see(HOUR + 5, tcp=[listening(80)]), "inbound", "80")


def test_port_without_a_name_is_its_own_name_and_equal_names_are_two_series() -> None:
    host = SeriesHost(make_rules(names={80: "web", 443: "web"}))
    series = host.see(0, tcp=[listening(80), listening(443), listening(9999)])
    assert series.label("tcp", 9999) == ("inbound", "9999", "9999")
    assert series.label("tcp", 80) == ("inbound", "80", "web")
    assert series.label("tcp", 443) == ("inbound", "443", "web")
    assert series.label("tcp", 81) == ("inbound", "other", "other")
    assert series.label("raw", 0) == ("", "", "")


def test_leak_that_ends_falls_to_zero_for_an_hour() -> None:
    host = SeriesHost()
    leaking = [Printed(50000, 631, states.CLOSE_WAIT)]
    leak = {**OUTBOUND, "close_wait": 1}
    assert show_states(host.see(0, tcp=leaking), "outbound", "631") == leak
    for now in (5, HOUR):
        assert show_states(host.see(now, tcp=[]), "outbound", "631") == OUTBOUND
    assert show_states(host.see(HOUR + 5, tcp=[]), "outbound", "631") == {}


def test_leak_that_goes_on_is_never_forgotten() -> None:
    host = SeriesHost()
    for now in range(0, 4 * 3600, 1800):
        series = host.see(now, tcp=[Printed(50000, 631, states.CLOSE_WAIT)])
        assert show_states(series, "outbound", "631")["close_wait"] == 1


def test_sockets_of_a_daemon_that_stopped_stay_its_own() -> None:
    """For ten minutes, also where the other end has a name; then they are taken for outbound ones."""
    host = SeriesHost()
    left = [Printed(9999, 443, states.CLOSE_WAIT)]
    host.see(0, tcp=[listening(9999), *left])
    assert LISTENERS_KEPT_SECONDS == 600
    for now in (5.0, 600.0):
        expected = {**INBOUND, "close_wait": 1}
        assert show_states(host.see(now, tcp=left), "inbound", "9999") == expected
    series = host.see(601, tcp=left)
    assert show_states(series, "outbound", "443")["close_wait"] == 1
    assert show_states(series, "inbound", "9999") == {"listen": 0, "close_wait": 0}


def test_a_listener_in_the_ephemeral_range_is_not_remembered() -> None:
    """The kernel may give its port to a client at once."""
    host = SeriesHost()
    host.see(0, tcp=[listening(50000), Printed(50000, 443), Printed(50000, 444)])
    series = host.see(5, tcp=[Printed(50000, 443)])
    assert show_states(series, "outbound", "443")["established"] == 1


def test_a_listener_in_the_ephemeral_range_becomes_a_service_when_it_lasts_a_minute() -> None:
    host = SeriesHost()
    for now, expected in ((0, False), (59, False), (60, True), (65, True)):
        assert ("50000" in shown_ports(host.see(now, tcp=[listening(50000)]))) is expected
    other = SeriesHost()
    for now in (0, 30):
        other.see(now, tcp=[listening(50000)])
    other.see(40, tcp=[])
    assert "50000" not in shown_ports(other.see(61, tcp=[listening(50000)]))


@pytest.mark.parametrize(("connections", "expected"), [(0, False), (1, False), (2, True)])
def test_a_listener_in_the_ephemeral_range_with_connections_is_a_service_at_once(
    connections: int, *, expected: bool
) -> None:
    rows = [listening(50000), *(Printed(50000, 5 + i) for i in range(connections))]
    assert ("50000" in shown_ports(SeriesHost().see(0, tcp=rows))) is expected


def test_clients_of_udp_in_the_ephemeral_range_never_become_services() -> None:
    """A resolver's socket that lasts is still a client's; one with connected sockets is a server's."""
    host = SeriesHost()
    for now in (0, 600):
        series = host.see(now, udp=[Printed(50000, state=states.CLOSE)])
        assert "50000" not in shown_ports(series)
    server = [Printed(50001, state=states.CLOSE), Printed(50001, 7), Printed(50001, 8)]
    series = host.see(605, udp=server)
    assert show_states(series, "inbound", "50001", "udp") == {"unconnected": 1, "established": 2}


def test_nothing_is_left_of_ports_that_vanished() -> None:
    host = SeriesHost()
    before = show(host.see(0, tcp=[], udp=[]))
    host.see(
        5,
        tcp=[listening(9999), Printed(9999, 1), Printed(50000, 22)],
        udp=[Printed(5353, state=7), Printed(50000, 53)],
    )
    host.see(5 + HOUR + 1, tcp=[], udp=[])
    assert show(host.see(5 + HOUR + 2, tcp=[], udp=[])) == before
    assert host.memory.listened("tcp", 5 + HOUR + 2) == ()


def test_unknown_state_is_a_series_while_there_is_one() -> None:
    series = SeriesHost().see(0, tcp=[listening(80), Printed(80, 1, 13)])
    assert show_states(series, "inbound", "80") == {**INBOUND, "listen": 1, "unknown": 1}


def test_accept_queue_has_the_port_of_its_listener() -> None:
    series = SeriesHost(make_rules(limit=1)).see(
        0, tcp=[listening(80, 4), listening(9999, 3), listening(9998, 2)]
    )
    queues = series.tables["tcp"].accept_queues
    assert {port: queue.waiting for port, queue in queues.items()} == {80: 4, 0: 5}
