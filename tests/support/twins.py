"""Count what two sources say of the same sockets, so that it can be compared."""

from collections.abc import Iterable
from dataclasses import replace

from exporter.kernel import states
from exporter.kernel.rows import Batch
from exporter.kernel.tables import TABLES
from exporter.sampling.counting import COUNTERS, PORTLESS, TableCount
from exporter.sampling.ports import PortRules
from exporter.sampling.services import name_ports

RULES = PortRules(name_ports({}, b"http 80/tcp\nhttps 443/tcp\n"), frozenset({22}), 100, range(32768, 61000))
IN_SOCKDIAG = ("tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "unix")
"""The tables that sock_diag has in every kernel; raw sockets need a module that is seldom there."""


def count_table(table: str, batches: Iterable[Batch]) -> TableCount:
    """Count a table as the exporter does, but for the limits of accept queues, which procfs lacks."""
    count = COUNTERS[TABLES[table].protocol](TABLES[table], RULES).count(batches)
    return replace(count, accept_queue_limits={})


def without_forgery(count: TableCount) -> TableCount:
    """Take out what procfs lists because of unix sockets' names: one listener, and lines that are no rows."""
    if not count.malformed:
        return count
    tally = list(count.tallies[PORTLESS])
    tally[states.LISTEN] -= 1
    listed = count.listed - count.malformed - 1
    return replace(count, tallies={PORTLESS: tuple(tally)}, listed=listed, malformed=0)
