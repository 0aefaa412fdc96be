"""Earlier numbers are remembered for an hour, few of them, and growth is that of Prometheus."""

from itertools import pairwise
from math import isnan

import pytest

from exporter.sampling.labels import NamespaceLabels
from exporter.status.history import LONGEST_STEP_SECONDS, MOST_SERIES, POINTS, History, Key
from tests.support.status.snapshots import make_snapshot, sockets

KEY = Key("netstat_sockets", "", ("tcp", "inbound", "8080"))
FILES = Key("netstat_owner_open_files", "", ("shop.service",))


def grow(history: History, seconds: int, step: int = 5, per_step: float = 1.0) -> float:
    """Add snapshots for so long; the number of sockets is that of the steps. Return the time of the last."""
    for count, at in enumerate(range(0, seconds + 1, step)):
        history.add(make_snapshot({"netstat_sockets": sockets("close_wait", count * per_step)}, at))
    return float(at)


def test_every_snapshot_is_a_point_at_first() -> None:
    history = History()
    at = grow(history, 20)
    trends = history.until(make_snapshot({}, at + 5))
    assert trends.history(KEY, 9) == (0, 1, 2, 3, 4, 9)
    assert trends.history(KEY, None) == (0, 1, 2, 3, 4, None)
    assert trends.times == (1000, 1005, 1010, 1015, 1020, 1025)


def test_an_hour_is_remembered_with_few_points() -> None:
    history = History()
    at = grow(history, 4 * 3600)
    times = history.until(make_snapshot({}, at)).times
    assert len(times) <= POINTS + 1
    assert times[-1] - times[0] == pytest.approx(POINTS * LONGEST_STEP_SECONDS, rel=0.1)
    gaps = [after - before for before, after in pairwise(times)]
    assert max(gaps) <= 1.1 * LONGEST_STEP_SECONDS


def test_growth_is_that_of_a_straight_line() -> None:
    history = History()
    at = grow(history, 600, per_step=2.5)
    trends = history.until(make_snapshot({}, at))
    assert trends.slope(KEY, 300, 1800) == pytest.approx(0.5)
    assert trends.rate(KEY, 300, 300) == pytest.approx(0.5)


def test_growth_is_not_known_at_first_nor_of_what_is_new() -> None:
    history = History()
    at = grow(history, 20)
    trends = history.until(make_snapshot({}, at))
    assert trends.slope(KEY, 4, 1800) is None
    assert trends.slope(FILES, 9, 1800) is None
    assert trends.history(FILES, 9) == (None, None, None, None, 9)
    assert trends.history(FILES, None) == ()


def test_growth_is_that_of_the_points_that_are_known() -> None:
    history = History()
    for count, at in enumerate(range(0, 605, 5)):
        found = {} if count % 3 else {"netstat_sockets": sockets("close_wait", count)}
        history.add(make_snapshot(found, at))
    trends = history.until(make_snapshot({}, 605))
    assert None in trends.history(KEY, None)
    assert trends.slope(KEY, None, 1800) == pytest.approx(0.2)
    assert trends.rate(KEY, 121, 1800) == pytest.approx(0.2)


def test_a_counter_that_begins_again_has_no_negative_rate() -> None:
    history = History()
    key = Key("netstat_listen_overflows_total", "")
    for at, total in enumerate([100, 160, 10, 70]):
        history.add(make_snapshot({key.metric: {(): total}}, 20.0 * at))
    trends = history.until(make_snapshot({}, 60))
    assert trends.rate(key, 70, 300) == pytest.approx((60 + 10 + 60) / 60)


def test_families_are_joined_and_namespaces_kept_apart() -> None:
    twice = {**sockets("established", 2), **sockets("close_wait", 3)}
    pod = NamespaceLabels("shop/web", "shop", "web")
    snapshot = make_snapshot(
        {"netstat_sockets": twice}, pods={pod: {"netstat_sockets": sockets("listen", 7)}}
    )
    history = History()
    history.add(snapshot)
    trends = history.until(make_snapshot({}, 5))
    assert trends.history(KEY, 6) == (5, 6)
    assert trends.history(KEY._replace(netns="shop/web"), 8) == (7, 8)
    assert trends.history(Key("netstat_sockets", "shop/web"), 8) == (7, 8)


def test_memory_is_bounded_and_what_is_gone_is_forgotten() -> None:
    history = History()
    many = {key: 1.0 for port in range(3 * MOST_SERIES) for key in sockets("listen", 1, str(port))}
    history.add(make_snapshot({"netstat_sockets": many}))
    first, second = (make_snapshot({}, at) for at in (5, 6))
    assert len(history.until(first).past) == MOST_SERIES
    history.add(first)
    for at in range(10, 10 * POINTS, 5):
        history.add(make_snapshot({}, at))
    assert not history.until(make_snapshot({}, 10 * POINTS)).past
    assert all(isnan(value) for values in history.until(second).past.values() for value in values)
