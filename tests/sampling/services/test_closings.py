"""Closed connections are added up by service, in no more sums than there are series."""

from socket import AF_INET, AF_INET6

from exporter.kernel.netlink import Block
from exporter.sampling.services.closings import NONE, ClosingCounts, Closings
from exporter.sampling.services.ports import OTHER_PORT, OUTBOUND, Directions
from tests.support.kernel.messages import closed
from tests.support.sampling.port_rules import make_rules

RULES = make_rules()
DIRECTIONS = Directions({8443}, RULES.is_ephemeral, frozenset(RULES.named("tcp")))
OWN = frozenset({8443, 443})
EPHEMERAL = 40_001


def count(
    *events: bytes,
    counts: ClosingCounts | None = None,
    weight: int = 1,
    own: frozenset[int] = OWN,
    families: tuple[int, ...] = (AF_INET, AF_INET6),
) -> ClosingCounts:
    """Add events one by one."""
    counts = counts or ClosingCounts()
    counts.follow(dict.fromkeys(families, DIRECTIONS), own)
    for event in events:
        counts.add(Block(event, len(event)), weight)
    return counts


def test_services_are_those_of_the_counts() -> None:
    """By the ports that listen, that are ephemeral, and that have series of their own."""
    counts = count(
        closed((8443, EPHEMERAL), sent=10, received=3, segments=2),
        closed((EPHEMERAL, 443), sent=1, resent=5, segments=9),
        closed((EPHEMERAL, 443), family=AF_INET6, sent=100),
        closed((EPHEMERAL, 9999), sent=1000),
        closed((7001, 51000), received=7),
    )
    assert {
        (AF_INET, 8443): Closings(1, 10, 3, 2, 0),
        (AF_INET, 443 + OUTBOUND): Closings(1, 1, 0, 4, 5),
        (AF_INET6, 443 + OUTBOUND): Closings(1, 100, 0, 0, 0),
        (AF_INET, OTHER_PORT + OUTBOUND): Closings(1, 1000, 0, 0, 0),
        (AF_INET, OTHER_PORT): Closings(1, 0, 7, 0, 0),
    } == counts.take([])


def test_listeners_and_what_was_never_established_are_no_connections() -> None:
    """An aborted connection is one, but the kernel has forgotten all else of it: its service may be lost."""
    counts = count(
        closed((8443, 0), delivered=0),
        closed((0, 0), delivered=0),
        closed((EPHEMERAL, 443), delivered=0, resent=6),
        closed((EPHEMERAL, 0), delivered=0, queued=3),
        closed((8443, 0), delivered=0, queued=65538),
        closed((EPHEMERAL, 0), delivered=0, queued=65538),
        closed((8443, EPHEMERAL)),
    )
    assert {
        (AF_INET, 8443): Closings(connections=2),
        (AF_INET, OTHER_PORT + OUTBOUND): Closings(connections=1),
    } == counts.take([])
    assert counts.take_events() == {
        "connection": 1,
        "aborted": 2,
        "failed": 2,
        "unconnected": 2,
        "malformed": 0,
    }


def test_an_event_may_stand_for_several() -> None:
    counts = count(closed((8443, EPHEMERAL), sent=3, received=2, segments=1, resent=1), weight=4)
    assert {(AF_INET, 8443): Closings(4, 12, 8, 0, 4)} == counts.take([])
    assert counts.take_events()["connection"] == 4


def test_what_cannot_be_read_is_malformed() -> None:
    counts = count(closed((8443, EPHEMERAL))[:-65], bytes(20), bytes(380), weight=2)
    assert {} == counts.take([])
    assert {"malformed": 6} == {name: number for name, number in counts.take_events().items() if number}


def test_wanted_services_are_shown_at_zero() -> None:
    """Nothing was closed, and that is known."""
    counts = count(closed((8443, EPHEMERAL)))
    assert {(AF_INET, 8443): Closings(1), (AF_INET, 443): NONE} == counts.take(
        [(AF_INET, 443), (AF_INET, 8443)]
    )


def test_sums_do_not_fall_and_are_no_more_than_the_series() -> None:
    """A service whose port is folded begins anew, as others at the port other do not end."""
    counts = count(closed((8443, EPHEMERAL)), closed((EPHEMERAL, 9999)))
    for port in range(1, 200):
        count(closed((EPHEMERAL, port)), counts=counts, own=frozenset({port}))
    assert {(AF_INET, 199 + OUTBOUND): Closings(1), (AF_INET, OUTBOUND): Closings(1)} == counts.take([])
    count(closed((EPHEMERAL, 9999)), counts=counts, own=frozenset({199}))
    assert counts.take([])[AF_INET, OUTBOUND] == Closings(2)


def test_tables_that_are_not_read_are_left_out() -> None:
    counts = count(closed((8443, EPHEMERAL)), closed((8443, EPHEMERAL), family=AF_INET6))
    count(closed((8443, EPHEMERAL), family=AF_INET6), counts=counts, families=(AF_INET,))
    assert {(AF_INET, 8443): Closings(1)} == counts.take([])
