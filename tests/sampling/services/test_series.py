"""Series are bounded in number, sum up to the rows, and have the zeros that were measured."""

from collections.abc import Iterable

import pytest

from exporter.kernel import states
from exporter.kernel.tables import TABLES
from exporter.sampling.counting import TableCount
from exporter.sampling.ports import PortRules
from exporter.sampling.series import LISTENERS_KEPT_SECONDS, SERIES_KEPT_SECONDS, Series, SeriesMemory
from exporter.sampling.snapshot import ListenerKey, QueueKey, SocketKey
from tests.support.procfs_tree import Printed
from tests.support.sampling.port_rules import count_rows, make_rules

TCP_STATES = set(states.TCP.values())
HOUR = 3600.0


class Host:
    """Passes over the tables of a host, with a memory of those before."""

    def __init__(self, rules: PortRules | None = None) -> None:
        self.rules = rules or make_rules()
        self.memory = SeriesMemory()

    def watch(self, now: float, **tables: Iterable[Printed]) -> Series:
        """Return the series of a pass."""
        counts = {
            name: count_rows(name, rows, self.rules, self.memory.listening(name, now))
            for name, rows in tables.items()
        }
        return self.memory.label(counts, self.rules, now)


def states_of(series: Series, direction: str, port: str) -> dict[str, int]:
    """Return the sockets over IPv4 of a port by state."""
    return {
        key.state: count
        for key, count in series.sockets.items()
        if (key.direction, key.port, key.family) == (direction, port, "ipv4")
    }


def ports_of(series: Series) -> set[str]:
    """Return every port that has series."""
    return {key.port for key in series.sockets}


def listening(port: int, waiting: int = 0) -> Printed:
    """Return a listener."""
    return Printed(port, state=states.LISTEN, receive=waiting)


def test_table_without_rows_has_explicit_zeros() -> None:
    """For every state, of what has no port of its own and of what is always shown, both ways."""
    series = Host(make_rules(always=[443])).watch(0, tcp=[])
    expected = {
        SocketKey("tcp", "ipv4", state, direction, port, name)
        for state in TCP_STATES
        for direction in ("inbound", "outbound")
        for port, name in (("other", "other"), ("443", "https"))
    }
    assert series.sockets == dict.fromkeys(expected, 0)
    queues = {QueueKey(key.protocol, key.family, *key[3:]) for key in expected}
    assert series.send_queue_bytes == series.receive_queue_bytes == dict.fromkeys(queues, 0)
    assert series.accept_queue_length == {}


@pytest.mark.parametrize("table", ["raw", "raw6", "unix"])
def test_table_without_ports_has_explicit_zeros(table: str) -> None:
    """An empty label stands where none has a meaning."""
    series = SeriesMemory().label({table: TableCount({}, {})}, make_rules(), 0)
    protocol, family = TABLES[table].protocol, TABLES[table].family
    expected = {SocketKey(protocol, family, state, "", "", "") for state in TABLES[table].states.values()}
    assert series.sockets == dict.fromkeys(expected, 0)
    assert len(series.send_queue_bytes) == (table != "unix")


def test_table_that_was_not_read_has_no_series() -> None:
    """A zero is never made up, not even of what was there before."""
    host = Host(make_rules(always=[443]))
    host.watch(0, tcp=[listening(80), Printed(80, 1)], tcp6=[])
    series = host.watch(1, tcp6=[])
    assert {key.family for key in series.sockets} == {"ipv6"}
    assert not series.accept_queue_length
    assert host.memory.listening("tcp", 1) == (80,)
    assert host.memory.listening("tcp", 601) == ()


def test_listener_has_every_state() -> None:
    series = Host().watch(0, tcp=[listening(80, 3), Printed(80, 5, states.CLOSE_WAIT, receive=9)])
    assert states_of(series, "inbound", "80") == {
        **dict.fromkeys(TCP_STATES, 0),
        "listen": 1,
        "close_wait": 1,
    }
    assert series.accept_queue_length == {ListenerKey("tcp", "ipv4", "80", "http"): 3}
    assert series.receive_queue_bytes[QueueKey("tcp", "ipv4", "inbound", "80", "http")] == 9
    assert states_of(series, "outbound", "80") == {}


def test_port_without_a_name_is_its_own_name() -> None:
    series = Host().watch(0, tcp=[listening(9999)])
    assert {key.port_name for key in series.sockets if key.port == "9999"} == {"9999"}


def test_equal_names_are_two_series() -> None:
    series = Host(make_rules(names={80: "web", 443: "web"})).watch(0, tcp=[listening(80), listening(443)])
    listeners = {key.port: n for key, n in series.sockets.items() if key[2:4] == ("listen", "inbound")}
    assert listeners == {"80": 1, "443": 1, "other": 0}


def test_leak_that_ends_falls_to_zero_for_an_hour() -> None:
    """Then the series goes; a state that was never seen has none."""
    host = Host()
    leaking = [Printed(50000, 631, states.CLOSE_WAIT)]
    assert states_of(host.watch(0, tcp=leaking), "outbound", "631") == {"close_wait": 1}
    assert SERIES_KEPT_SECONDS == HOUR
    for now in (5, HOUR):
        assert states_of(host.watch(now, tcp=[]), "outbound", "631") == {"close_wait": 0}
    assert states_of(host.watch(HOUR + 5, tcp=[]), "outbound", "631") == {}


def test_leak_that_goes_on_is_never_forgotten() -> None:
    host = Host()
    for now in range(0, 4 * 3600, 1800):
        series = host.watch(now, tcp=[Printed(50000, 631, states.CLOSE_WAIT)])
        assert states_of(series, "outbound", "631") == {"close_wait": 1}


def test_sockets_of_a_daemon_that_stopped_stay_its_own() -> None:
    """What it left in CLOSE_WAIT turns around after ten minutes; the states it had stay at 0 for longer."""
    host = Host()
    left = [Printed(9999, 443, states.CLOSE_WAIT)]
    host.watch(0, tcp=[listening(9999), *left])
    assert LISTENERS_KEPT_SECONDS == 600
    for now in (5.0, 600.0):
        series = host.watch(now, tcp=left)
        expected = {**dict.fromkeys(TCP_STATES, 0), "close_wait": 1}
        assert states_of(series, "inbound", "9999") == expected
        assert not series.accept_queue_length
    host.watch(605, tcp=left)
    series = host.watch(610, tcp=left)
    assert states_of(series, "outbound", "443") == {"close_wait": 1}
    assert states_of(series, "inbound", "9999") == {"listen": 0, "close_wait": 0}


def test_nothing_is_left_of_ports_that_vanished() -> None:
    host = Host()
    before = host.watch(0, tcp=[], udp=[])
    host.watch(
        5,
        tcp=[listening(9999), Printed(9999, 1), Printed(50000, 22)],
        udp=[Printed(5353, state=7), Printed(50000, 53)],
    )
    host.watch(5 + HOUR + 1, tcp=[], udp=[])
    assert host.watch(5 + HOUR + 2, tcp=[], udp=[]) == before
    assert host.memory.listening("tcp", 5 + HOUR + 2) == ()


def test_unknown_state_is_a_series_while_there_is_one() -> None:
    series = Host().watch(0, tcp=[listening(80), Printed(80, 1, 13)])
    assert states_of(series, "inbound", "80")["unknown"] == 1
    assert set(states_of(series, "inbound", "80")) == TCP_STATES | {"unknown"}


def test_clients_have_no_series_of_their_own() -> None:
    """60,000 local ports are one port to the page, and none is counted as folded: none is a service."""
    clients = [Printed(local, 50000, local % 2 + 1) for local in range(1000, 61000)]
    clients += [listening(port) for port in range(32768, 61000)]
    datagrams = [Printed(local, state=7) for local in range(32768, 61000)]
    series = Host().watch(0, tcp=clients, udp=datagrams)
    named = make_rules().names
    assert ports_of(series) - {"other"} <= {str(port) for port in (*named.tcp, *named.udp)}
    assert len(series.sockets) < 1000
    assert sum(series.sockets.values()) == len(clients) + len(datagrams)
    assert {key.port for key in series.accept_queue_length} - {"other"} <= ports_of(series)


def test_ports_over_the_limit_are_folded_and_counted() -> None:
    """The largest keep series of their own; the sockets of the others move, and none is lost."""
    rows = [listening(port) for port in range(1000, 11_000)]
    rows += [Printed(10_000, 1, receive=1)] * 5 + [Printed(9_000, 1, send=2)] * 4
    series = Host(make_rules(limit=2)).watch(0, tcp=rows)
    assert ports_of(series) == {"other", "10000", "9000"}
    assert series.ports_folded == 9_998
    assert states_of(series, "inbound", "other")["listen"] == 9_998
    assert states_of(series, "inbound", "10000")["established"] == 5
    assert sum(series.sockets.values()) == len(rows)
    assert {key.port for key in series.accept_queue_length} == {"other", "10000", "9000"}


def test_what_is_always_shown_does_not_count_towards_the_limit() -> None:
    rows = [listening(80)] * 3 + [listening(8080)]
    series = Host(make_rules(always=[22], limit=1)).watch(0, tcp=rows)
    assert ports_of(series) == {"other", "22", "80"}
    assert series.ports_folded == 1


def test_two_ports_at_the_limit_do_not_take_turns() -> None:
    host = Host(make_rules(limit=1))
    host.watch(0, tcp=[listening(80)] * 10 + [listening(8080)] * 9)
    for now, rivals in ((1, 11), (2, 9), (3, 12)):
        series = host.watch(now, tcp=[listening(80)] * 10 + [listening(8080)] * rivals)
        assert ports_of(series) == {"other", "80"}
    assert ports_of(host.watch(4, tcp=[listening(80)] * 10 + [listening(8080)] * 13)) == {"other", "8080"}


def test_accept_queue_has_the_port_of_its_listener() -> None:
    """A port that is a service's over UDP only is no service where TCP listens on it by chance."""
    host = Host(make_rules())
    series = host.watch(0, tcp=[listening(51820, 4)], udp=[Printed(51820, state=7)])
    assert states_of(series, "inbound", "other")["listen"] == 1
    assert series.accept_queue_length == {ListenerKey("tcp", "ipv4", "other", "other"): 4}
