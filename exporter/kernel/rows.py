"""The one shape in which every source hands rows of a socket table on, whatever the kernel's format was.

Rows come in batches, so that a table of any size streams through in constant memory.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

Row = tuple[int, int, int, int, int]
"""Local port, remote port, state (``states.UNKNOWN`` for an unnamed one), send queue, receive queue.

Queues are in bytes. For raw sockets the local "port" is the IP protocol number; for unix sockets all but
the state is 0.
"""


class Listener(NamedTuple):
    """A TCP socket in LISTEN; its queues count connections, not bytes, and procfs gives no limit."""

    port: int
    accept_queue_length: int
    accept_queue_limit: int | None


class Batch(NamedTuple):
    """Some consecutive rows of one table.

    TCP's listeners come apart from the other rows, and in no later batch than any connection they
    accepted. ``rows`` may be iterated once. ``listed`` is every row the kernel gave: ``listeners``, ``rows``,
    ``malformed`` (skipped because they could not be parsed) and ``repeated`` (listed before in the same
    pass, skipped). ``minisockets`` are the ``rows`` with no full socket behind them (TIME_WAIT, SYN_RECV, and
    FIN_WAIT2 kept as a time-wait minisocket), which the kernel's sockstat does not count as in use.
    """

    listeners: Sequence[Listener]
    rows: Iterable[Row]
    listed: int
    malformed: int = 0
    repeated: int = 0
    minisockets: int = 0
