"""The connections that live tests make cover every state, and no state can pass for another."""

from collections import Counter

from tests.support.live.scenarios import EVERY_STATE, LISTENERS, SMTP, SSH

ON_BOTH_SIDES = {
    "established",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close_wait",
    "last_ack",
    "closing",
}


def sockets_of_one_port() -> tuple[Counter[str], Counter[str]]:
    """Count the clients' and the server's sockets by state, as one route makes them."""
    outbound: Counter[str] = Counter()
    inbound = Counter({"listen": 1})
    for scenario in EVERY_STATE:
        if scenario.client and scenario.port is None:
            outbound[scenario.client.state] += scenario.times
        if scenario.server:
            inbound[scenario.server.state] += scenario.times
    return outbound, inbound


def test_every_state_is_made() -> None:
    """All eleven but CLOSE, which the kernel never lists, on every side that can be in them."""
    outbound, inbound = sockets_of_one_port()
    assert ON_BOTH_SIDES | {"syn_sent"} == set(outbound)
    assert ON_BOTH_SIDES | {"syn_recv", "listen"} == set(inbound)


def test_no_two_states_have_one_count() -> None:
    """Numbers exchanged between two states of one port and direction would be seen."""
    for side in sockets_of_one_port():
        assert len(side) == len(set(side.values())), side


def test_reserved_ports() -> None:
    """Nobody listens where the unheard clients knock, and two listeners share the quiet port."""
    ports = Counter(how.port for how in LISTENERS)
    assert ports[SMTP] == 0
    assert ports[SSH] == 2
