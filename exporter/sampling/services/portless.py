"""Count the sockets of protocols without ports: raw and unix."""

from collections import Counter
from typing import Final, cast

from exporter.kernel.rows import InetRows, Rows
from exporter.kernel.tables import Table
from exporter.sampling.services.counts import EMPTY, RECEIVE_QUEUE, SEND_QUEUE, TableCount
from exporter.sampling.services.ports import OTHER_PORT

PORTLESS_PROTOCOLS: Final = frozenset({"raw", "unix"})
PORTLESS: Final = OTHER_PORT
"""The service of every socket of a protocol without ports."""


class PortlessCounter:
    """Counts one table of a protocol without ports: every socket in one tally."""

    def __init__(self, table: Table) -> None:
        self._has_queues = table.protocol != "unix"
        self._tally = list(EMPTY)

    def observe(self, rows: Rows) -> None:
        """Count some rows."""
        for state, number in Counter(rows.states).items():
            self._tally[state] += number
        for _, _, _, queues in rows.unpack() if self._has_queues else ():
            if queues:
                send, receive = cast("InetRows", rows).split_queues(queues)
                self._tally[SEND_QUEUE] += send
                self._tally[RECEIVE_QUEUE] += receive

    def finish(self) -> TableCount:
        """Return what was counted."""
        return TableCount({PORTLESS: tuple(self._tally)} if any(self._tally) else {})
