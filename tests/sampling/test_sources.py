"""A table's source follows the configuration, its size, and how netlink fares."""

import pytest

from exporter.sampling.sources import (
    AUTO,
    LARGE_ROWS,
    NETLINK,
    PROCFS,
    RETRY_SECONDS,
    SMALL_ROWS,
    SourceChoice,
)


def test_auto_follows_the_size_and_does_not_waver() -> None:
    choice = SourceChoice(AUTO, reachable=True)
    assert choice.choose(0) == PROCFS
    sizes = (LARGE_ROWS, LARGE_ROWS + 1, LARGE_ROWS - 1, SMALL_ROWS + 1, SMALL_ROWS, SMALL_ROWS + 1)
    chosen = []
    for rows in sizes:
        choice.note_rows(rows)
        chosen.append(choice.choose(0))
    assert [PROCFS, NETLINK, NETLINK, NETLINK, PROCFS, PROCFS] == chosen


@pytest.mark.parametrize("wanted", [PROCFS, NETLINK])
def test_a_forced_source_does_not_follow_the_size(wanted: str) -> None:
    choice = SourceChoice(wanted, reachable=True)
    for rows in (0, 1_000_000, 0):
        assert choice.choose(0) == wanted
        choice.note_rows(rows)


def test_netlink_that_failed_is_asked_again_after_a_while() -> None:
    choice = SourceChoice(NETLINK, reachable=True)
    choice.note_failure(100.0)
    assert choice.choose(100.0 + RETRY_SECONDS - 1) == PROCFS
    assert choice.choose(100.0 + RETRY_SECONDS) == NETLINK


def test_netlink_of_another_namespace_is_never_asked() -> None:
    choice = SourceChoice(NETLINK, reachable=False)
    assert choice.choose(0) == PROCFS
    assert not choice.may_ask_netlink(0)


def test_a_table_that_is_too_slow_over_procfs_is_asked_for_over_netlink() -> None:
    """However many rows it has, which nobody knows."""
    choice = SourceChoice(AUTO, reachable=True)
    choice.note_timeout()
    assert choice.choose(0) == NETLINK
    forced = SourceChoice(PROCFS, reachable=True)
    forced.note_timeout()
    assert forced.choose(0) == PROCFS
