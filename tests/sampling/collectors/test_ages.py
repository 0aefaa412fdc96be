"""An age is that of one socket in one state: it grows while the socket is there, and never outlives it."""

import tracemalloc
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exporter.sampling.stuck import OLDEST_AGE, STUCK_SOCKETS, UNFOLLOWED, Stuck
from tests.support.sampling.passes import SERIES, pass_over, watch
from tests.support.sampling.watched import SETTINGS

AFTER = replace(SETTINGS, stuck_after_seconds=10)
MOST_BYTES = 300


def ages(stuck: Stuck, now: float, *keys: int, limit: int = 1000) -> tuple[float, float, float]:
    """Let sockets be seen; return how many are stuck, the age of the oldest, and how many have no age."""
    seen = pass_over({"tcp": watch(*keys)}, replace(AFTER, stuck_limit=limit), now)
    found = stuck.measure(seen)
    return found[STUCK_SOCKETS][SERIES], found[OLDEST_AGE][SERIES], found[UNFOLLOWED][()]


def test_ages_grow_from_when_a_socket_is_first_seen() -> None:
    stuck = Stuck()
    assert (0, 0, 0) == ages(stuck, 100, 1)
    assert (0, 10, 0) == ages(stuck, 110, 1, 2)
    assert (1, 11, 0) == ages(stuck, 111, 1, 2)
    assert (2, 21, 0) == ages(stuck, 121, 1, 2)


def test_an_age_ends_with_its_socket() -> None:
    """What comes back, or has another identity, begins anew."""
    stuck = Stuck()
    ages(stuck, 100, 1, 2)
    assert (1, 50, 0) == ages(stuck, 150, 2, 3)
    assert (0, 10, 0) == ages(stuck, 160, 1, 3)
    assert (0, 0, 0) == ages(stuck, 200)
    assert (0, 0, 0) == ages(stuck, 300, 1, 3)


def test_a_socket_listed_twice_is_one() -> None:
    stuck = Stuck()
    ages(stuck, 100, 1, 1)
    assert (1, 50, 0) == ages(stuck, 150, 1, 1)


def test_no_more_are_followed_than_allowed() -> None:
    """Who is followed stays so, and a place is free at the pass after it was left."""
    stuck = Stuck()
    assert (0, 0, 1) == ages(stuck, 100, 1, 2, 3, limit=2)
    assert (2, 20, 2) == ages(stuck, 120, 4, 3, 2, 1, limit=2)
    assert (1, 30, 2) == ages(stuck, 130, 4, 3, 1, limit=2)
    assert (1, 40, 1) == ages(stuck, 140, 4, 3, 1, limit=2)


def test_the_limit_is_for_all_tables_together() -> None:
    stuck = Stuck()
    watched = {name: watch(*range(3), table=name) for name in ("tcp", "tcp6")}
    found = stuck.measure(pass_over(watched, replace(AFTER, stuck_limit=4), 100))
    assert found[UNFOLLOWED] == {(): 2}


def test_a_table_that_could_not_be_read_keeps_its_ages() -> None:
    """It shows nothing meanwhile: what was not measured is no zero."""
    stuck = Stuck()
    ages(stuck, 100, 1)
    found = stuck.measure(pass_over({}, AFTER, 110))
    assert found[STUCK_SOCKETS] == {} == found[OLDEST_AGE]
    assert (1, 20, 0) == ages(stuck, 120, 1)


def test_new_settings_keep_ages_and_states_switched_off_forget_them() -> None:
    stuck = Stuck()
    ages(stuck, 100, 1)
    assert (1, 20, 0) == ages(stuck, 120, 1, limit=999)
    assert stuck.measure(pass_over({}, replace(AFTER, stuck_states=()), 121)) == {}
    assert (0, 0, 0) == ages(stuck, 130, 1)


def test_a_followed_socket_takes_few_bytes() -> None:
    """Also while a pass moves it from the last one's to its own."""
    stuck, number = Stuck(), 100_000
    settings = replace(AFTER, stuck_limit=number)
    passes = [
        pass_over({"tcp": watch(*range(1 << 40, (1 << 40) + number))}, settings, now) for now in (1, 2, 3)
    ]
    tracemalloc.start()
    try:
        for seen in passes:
            assert stuck.measure(seen)[UNFOLLOWED] == {(): 0}
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes / number < MOST_BYTES


@given(
    passes=st.lists(st.lists(st.integers(0, 9), max_size=12), max_size=8),
    limit=st.integers(1, 8),
)
def test_ages_are_those_of_a_plain_model(passes: list[list[int]], limit: int) -> None:
    """One that notes for every socket since when it has been there, whether followed or not."""
    stuck, since = Stuck(), dict[int, float]()
    for now, keys in enumerate(passes):
        since = {key: since.get(key, now) for key in keys}
        seen = pass_over(
            {"tcp": watch(*keys)}, replace(AFTER, stuck_limit=limit, stuck_after_seconds=0.5), now
        )
        found = stuck.measure(seen)
        assert found[UNFOLLOWED][()] >= max(0, len(since) - limit)
        assert found[OLDEST_AGE][SERIES] <= max((now - first for first in since.values()), default=0)
        if limit >= 8 and len(set().union(*passes)) <= limit:
            assert found[UNFOLLOWED] == {(): 0}
            assert found[STUCK_SOCKETS][SERIES] == sum(first < now for first in since.values())
