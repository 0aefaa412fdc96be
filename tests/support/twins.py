"""Count what two sources say of the same sockets, so that it can be compared."""

from collections.abc import Iterable
from typing import NamedTuple

from exporter.kernel import states
from exporter.kernel.rows import Rows
from exporter.kernel.tables import TABLES
from exporter.sampling.reading.walk import Totals
from exporter.sampling.services.counting import Counters
from exporter.sampling.services.counts import AcceptQueue, TableCount
from exporter.sampling.services.names import name_ports
from exporter.sampling.services.portless import PORTLESS
from exporter.sampling.services.ports import PortRules

RULES = PortRules(name_ports({}, b"http 80/tcp\nhttps 443/tcp\n"), frozenset({22}), 100, range(32768, 61000))
IN_SOCKDIAG = ("tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "unix")
"""The tables that sock_diag has in every kernel; raw sockets need a module that is seldom there."""


class Counted(NamedTuple):
    """What was counted in a table: its rows, its sockets, and its accept queues without their limits."""

    totals: Totals
    sockets: TableCount


def count_table(table: str, blocks: Iterable[Rows]) -> Counted:
    """Count a table as the exporter does, but for the limits of accept queues, which procfs lacks."""
    totals, counters = Totals(), Counters(RULES)
    counter = counters.begin(TABLES[table], (), ())
    for rows in blocks:
        totals.observe(rows)
        counter.observe(rows)
    count = counters.finish(table)
    queues = {
        port: AcceptQueue(queue.waiting, sockets=queue.sockets) for port, queue in count.accept_queues.items()
    }
    return Counted(
        totals,
        TableCount(count.tallies, count.rare, count.rare_queues, frozenset(count.listening), queues),
    )


def without_forgery(counted: Counted) -> Counted:
    """Take out what procfs lists because of unix sockets' names: one listener, and lines that are no rows."""
    totals = counted.totals
    if not totals.malformed:
        return counted
    tally = list(counted.sockets.tallies[PORTLESS])
    tally[states.LISTEN] -= 1
    return Counted(
        Totals(totals.listed - totals.malformed - 1, minisockets=totals.minisockets),
        TableCount({PORTLESS: tuple(tally)}, listening=frozenset()),
    )
