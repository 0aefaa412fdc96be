"""The one shape in which every source hands rows of a socket table on, whatever the kernel's format was.

Rows come in batches, so that a table of any size streams through in constant memory.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from exporter.kernel import states

_QUEUE_BITS: Final = 32
_RECEIVE_QUEUE: Final = (1 << _QUEUE_BITS) - 1
_TIMER_TIME_WAIT: Final = 3  # that of every time-wait minisocket
# Translate a column of bytes to 1 where it has the value, 0 elsewhere.
_IS_FIN_WAIT2: Final = bytes(code == states.FIN_WAIT2 for code in range(256))
_IS_TIMER_TIME_WAIT: Final = bytes(timer == _TIMER_TIME_WAIT for timer in range(256))

Row = tuple[int, int, int, int]
"""Local port, remote port, state (``states.UNKNOWN`` for an unnamed one), both queues.

Queues are in bytes, and one number because nearly always they are empty: see ``split_queues``. For raw
sockets the local "port" is the IP protocol number; for unix sockets all but the state is 0.
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


def split_queues(queues: int) -> tuple[int, int]:
    """Return the bytes in the send and in the receive queue, of which the first are the upper half."""
    return queues >> _QUEUE_BITS, queues & _RECEIVE_QUEUE


def set_listeners_apart(rows: Iterable[Row], *, limits_known: bool) -> tuple[list[Listener], list[Row]]:
    """Return TCP's listeners and the rest; where the source knows the limit, it is in the send queue."""
    listeners, others = [], []
    for row in rows:
        port, _, state, queues = row
        if state == states.LISTEN:
            limit, waiting = split_queues(queues)
            listeners.append(Listener(port, waiting, limit if limits_known else None))
        else:
            others.append(row)
    return listeners, others


def count_minisockets(codes: bytes | bytearray, timers: bytes | bytearray) -> int:
    """Count the rows without a full socket, by the states and the active timers of TCP's rows.

    A time-wait minisocket has a timer of its own, whichever state it stands for. A SYN_RECV of TCP Fast Open
    has a full socket and is counted all the same, as neither column tells.
    """
    in_fin_wait2 = int.from_bytes(codes.translate(_IS_FIN_WAIT2))
    of_time_wait = int.from_bytes(timers.translate(_IS_TIMER_TIME_WAIT))
    minisockets = (in_fin_wait2 & of_time_wait).bit_count()
    return minisockets + codes.count(states.TIME_WAIT) + codes.count(states.SYN_RECV)
