"""Sockets of protocols without ports are counted by state alone."""

import pytest

from exporter.kernel import states
from exporter.sampling.services.counts import RECEIVE_QUEUE
from exporter.sampling.services.portless import PORTLESS
from tests.support.procfs_tree import UNIX_HEADER, Printed, print_unix_row
from tests.support.sampling.port_rules import count_rows, count_text, make_counter, make_rules


@pytest.mark.parametrize("table", ["raw", "raw6"])
def test_protocols_without_ports_have_one_tally(table: str) -> None:
    """What stands in the place of a raw socket's port is its IP protocol."""
    count = count_rows(table, [Printed(1, state=7, receive=5), Printed(255, state=1)], make_rules())
    assert count.tallies.keys() == {PORTLESS}
    found = {at: number for at, number in enumerate(count.tallies[PORTLESS]) if number}
    assert {7: 1, 1: 1, RECEIVE_QUEUE: 5} == found


def test_unix_sockets_are_counted_by_state() -> None:
    rows = [print_unix_row(3), print_unix_row(3), print_unix_row(1, 0x10000)]
    count = count_text(make_counter("unix", make_rules()), "unix", [UNIX_HEADER, *rows])
    assert count.tallies[PORTLESS][3] == 2
    assert count.tallies[PORTLESS][states.LISTEN] == 1
