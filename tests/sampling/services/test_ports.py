"""Which ports count as a service's, and which of them get series of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sampling.ports import choose_largest
from tests.support.sampling.port_rules import make_rules


def test_remote_services_are_those_with_a_name_and_those_always_shown() -> None:
    rules = make_rules(names={7: "ours"}, always=[50000])
    assert {7, 22, 631, 40001, 50000} <= set(rules.remote_services("tcp"))
    assert 9999 not in rules.remote_services("tcp")
    assert 22 not in rules.remote_services("udp")


def test_ephemeral_port_tells_no_service_unless_the_operator_named_it() -> None:
    """The services file names ports, such as 40001 here, that the kernel gives to any client."""
    rules = make_rules(names={40002: "ours"}, always=[40003])
    local = set(rules.local_services("tcp"))
    assert {22, 40002, 40003} <= local
    assert 40001 not in local


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        (9999, True),  # not named, but nobody gets it by chance
        (32767, True),
        (32768, False),
        (60999, False),
        (61000, True),
        (40001, True),  # a name is reason enough, where it listens
        (40002, True),
        (40003, True),
    ],
)
def test_local_service(port: int, *, expected: bool) -> None:
    rules = make_rules(names={40002: "ours"}, always=[40003])
    assert rules.is_local_service("tcp", port) is expected


def test_all_ports_are_chosen_where_there_is_room() -> None:
    assert choose_largest({1: 0, 2: 5}, [], 2) == {1, 2}


def test_largest_ports_are_chosen() -> None:
    assert choose_largest({1: 10, 2: 30, 3: 20}, [], 2) == {2, 3}


def test_equal_ports_are_chosen_in_order() -> None:
    """The choice is the same in every pass and after every restart."""
    assert choose_largest({9: 5, 8: 5, 7: 5}, [], 2) == {7, 8}


@pytest.mark.parametrize(("rival", "expected"), [(101, {1}), (125, {1}), (126, {2})])
def test_shown_port_keeps_its_place_until_another_has_a_quarter_more(rival: int, expected: set[int]) -> None:
    assert choose_largest({1: 100, 2: rival}, [1], 1) == expected


def test_shown_port_without_sockets_keeps_its_place_from_others_without() -> None:
    assert choose_largest({1: 0, 2: 0}, [2], 1) == {2}


def test_two_ports_of_one_size_do_not_take_turns() -> None:
    """Whichever was larger at first stays, as the two swing around each other."""
    shown = choose_largest({1: 100, 2: 99}, [], 1)
    for swing in (90, 110, 95, 105) * 5:
        shown = choose_largest({1: 100, 2: swing}, shown, 1)
        assert shown == {1}


@given(
    sockets=st.dictionaries(st.integers(1, 65535), st.integers(0, 1000), max_size=30),
    shown=st.frozensets(st.integers(1, 65535), max_size=5),
    limit=st.integers(1, 20),
)
def test_choice_is_steady(sockets: dict[int, int], shown: frozenset[int], limit: int) -> None:
    """As many as may be are chosen, and chosen again while nothing changes."""
    chosen = choose_largest(sockets, shown, limit)
    assert chosen <= sockets.keys()
    assert len(chosen) == min(limit, len(sockets))
    assert chosen == choose_largest(sockets, chosen, limit)
