"""A table's source follows the configuration, what it costs, and how either source fares."""

import pytest

from exporter.config.settings import AUTO, NETLINK, PROCFS
from exporter.sampling.reading.sources import (
    LARGE_ROWS,
    MEASURE_AGAIN_SECONDS,
    MEASURED_PASSES,
    RETRY_SECONDS,
    SMALL_ROWS,
    SourceChoice,
    other_source,
)


def measure(choice: SourceChoice, now: float, *, netlink: float, procfs: float) -> str:
    """Let passes measure what the sources cost, and return what is chosen then."""
    costs = {NETLINK: netlink, PROCFS: procfs}
    for _ in range(2 * MEASURED_PASSES):
        source = choice.choose(10, now)
        choice.note_cost(source, 10, costs[source], now)
    return choice.choose(10, now)


def test_other() -> None:
    assert (other_source(PROCFS), other_source(NETLINK)) == (NETLINK, PROCFS)


@pytest.mark.parametrize("rows", [None, LARGE_ROWS + 1, 1_000_000])
def test_the_first_pass_over_what_may_be_large_is_never_procfs(rows: int | None) -> None:
    """Whose text may cost a hundred times as much."""
    choice = SourceChoice(AUTO, reachable=True)
    for now in range(5):
        assert choice.choose(rows, now) == NETLINK
        choice.note_cost(NETLINK, rows or 100_000, 9.0, now)


def test_where_there_are_few_sockets_both_are_measured_and_the_cheaper_is_kept() -> None:
    assert measure(SourceChoice(AUTO, reachable=True), 0, netlink=0.002, procfs=0.010) == NETLINK
    assert measure(SourceChoice(AUTO, reachable=True), 0, netlink=0.010, procfs=0.002) == PROCFS


def test_two_sources_of_about_one_cost_do_not_take_turns() -> None:
    choice = SourceChoice(AUTO, reachable=True)
    assert measure(choice, 0, netlink=0.010, procfs=0.008) == NETLINK
    for now in range(1, 50):
        choice.note_cost(NETLINK, 10, 0.009 + now % 3 / 1000, now)
        assert choice.choose(10, now) == NETLINK


def test_one_slow_pass_does_not_change_the_source() -> None:
    """The least that it cost counts: a busy machine is not the source's doing."""
    choice = SourceChoice(AUTO, reachable=True)
    assert measure(choice, 0, netlink=0.002, procfs=0.003) == NETLINK
    choice.note_cost(NETLINK, 10, 5.0, 1)
    assert choice.choose(10, 2) == NETLINK


def test_a_slow_first_pass_does_not_choose_the_source() -> None:
    """It compiles and allocates what later passes find; the costlier source would be used for an hour."""
    choice = SourceChoice(AUTO, reachable=True)
    assert choice.choose(10, 0) == NETLINK
    choice.note_cost(NETLINK, 10, 0.1, 0)
    assert measure(choice, 1, netlink=0.002, procfs=0.010) == NETLINK


def test_costs_are_measured_again_after_an_hour() -> None:
    """A machine may change: what was cheaper once is found to be dearer."""
    choice = SourceChoice(AUTO, reachable=True)
    assert measure(choice, 0, netlink=0.002, procfs=0.010) == NETLINK
    assert measure(choice, MEASURE_AGAIN_SECONDS - 1, netlink=0.010, procfs=0.002) == NETLINK
    assert measure(choice, MEASURE_AGAIN_SECONDS, netlink=0.010, procfs=0.002) == PROCFS


def test_size_does_not_waver() -> None:
    """A table that has grown is large until it is a good deal smaller."""
    choice = SourceChoice(AUTO, reachable=True)
    assert measure(choice, 0, netlink=0.010, procfs=0.002) == PROCFS
    sizes = (LARGE_ROWS, LARGE_ROWS + 1, LARGE_ROWS - 1, SMALL_ROWS + 1, SMALL_ROWS, SMALL_ROWS + 1)
    expected = [PROCFS, NETLINK, NETLINK, NETLINK, PROCFS, PROCFS]
    assert expected == [choice.choose(rows, 1) for rows in sizes]


def test_what_large_tables_cost_says_nothing_of_small_ones() -> None:
    choice = SourceChoice(AUTO, reachable=True)
    assert measure(choice, 0, netlink=0.002, procfs=0.003) == NETLINK
    choice.note_cost(PROCFS, LARGE_ROWS + 1, 0.0, 1)
    assert choice.choose(10, 2) == NETLINK


@pytest.mark.parametrize("wanted", [PROCFS, NETLINK])
def test_a_forced_source_does_not_follow_size_or_cost(wanted: str) -> None:
    choice = SourceChoice(wanted, reachable=True)
    for rows in (None, 0, 1_000_000, 10):
        assert choice.choose(rows, 0) == wanted
        choice.note_cost(wanted, 10, 100.0, 0)
        choice.note_cost(other_source(wanted), 10, 0.0, 0)


@pytest.mark.parametrize("wanted", [PROCFS, NETLINK])
def test_a_source_that_failed_is_tried_again_after_a_minute(wanted: str) -> None:
    """The other one takes its place meanwhile, whichever it is."""
    choice = SourceChoice(wanted, reachable=True)
    choice.note_failure(wanted, 100.0)
    assert choice.choose(10, 100.0 + RETRY_SECONDS - 1) == other_source(wanted)
    assert choice.choose(10, 100.0 + RETRY_SECONDS) == wanted


@pytest.mark.parametrize("wanted", [PROCFS, NETLINK])
def test_where_both_failed_the_wanted_one_is_tried(wanted: str) -> None:
    choice = SourceChoice(wanted, reachable=True)
    for source in (PROCFS, NETLINK):
        choice.note_failure(source, 100.0)
    assert choice.choose(10, 101.0) == wanted


def test_a_source_that_failed_is_not_measured() -> None:
    choice = SourceChoice(AUTO, reachable=True)
    choice.note_failure(NETLINK, 0)
    assert [PROCFS] * 3 == [choice.choose(10, now) for now in range(3)]
    assert choice.choose(1_000_000, 3) == PROCFS


@pytest.mark.parametrize("wanted", [AUTO, NETLINK, PROCFS])
@pytest.mark.parametrize("rows", [None, 1, 1_000_000])
def test_netlink_of_another_namespace_is_never_asked(wanted: str, rows: int | None) -> None:
    choice = SourceChoice(wanted, reachable=False)
    assert choice.choose(rows, 0) == PROCFS
    choice.note_failure(PROCFS, 0)
    assert choice.choose(rows, 1) == PROCFS
    assert not choice.may_use(NETLINK, 0)
