"""Read the socket tables through NETLINK_SOCK_DIAG, row for row what ``procnet`` reads from procfs.

1. It asks for the states that procfs lists, not for the pseudo-state of sockets that are only bound.
2. It asks for TCP's listeners first, on their own: the kernel has a separate hash for them.
3. A dump resumes in the hash bucket where it stopped, as procfs does, but stops an eighth as often. A row
   that is listed twice is as rare as one that is missed, and not removed.
"""

from array import array
from collections.abc import Collection, Generator, Iterator
from contextlib import closing
from typing import Final

from exporter.kernel import inet_diag, inet_requests
from exporter.kernel.diag_rows import DiagRows
from exporter.kernel.dumps import dump
from exporter.kernel.netlink import Block, Question
from exporter.kernel.rows import ADDRESS_BYTES, End, Listener, ListenerRows, Origin, Rows, Silences
from exporter.kernel.tables import Detail, Table
from exporter.kernel.unix_diag import ask_for_unix, parse_unix

_LENGTHS: Final = {"ipv4": 4, "ipv6": ADDRESS_BYTES}

Walk = Generator[tuple[Table, Rows], None, None]
"""The rows of some tables, block after block, each with its table."""


def walk_tables(tables: Collection[Table], deadline: float, details: Detail = Detail.NONE) -> Walk:
    """Yield the rows of tables of one protocol, with some details; TCP's two come in one dump.

    ``deadline`` is on the monotonic clock. Raises SockDiagError, while iterating.
    """
    if any(table.protocol == "tcp" for table in tables):
        yield from _walk_tcp(tables, deadline, details)
        return
    for table in tables:
        if table.protocol == "unix":
            yield from ((table, parse_unix(block)) for block in _ask(ask_for_unix(), deadline))
        else:
            attributes = inet_requests.WANT_SKMEMINFO if Detail.DROPS in details else 0
            question = inet_requests.ask_for(table, attributes=attributes)
            yield from ((table, DiagRows(table, block)) for block in _ask(question, deadline))


def read_listeners(tables: Collection[Table], deadline: float) -> dict[str, tuple[Listener, ...]]:
    """Return TCP's listeners by table, with their drops, at a cost that does not depend on the connections.

    Raises SockDiagError.
    """
    listeners: dict[str, tuple[Listener, ...]] = {table.name: () for table in tables}
    wanted = inet_requests.ONLY_LISTEN
    for table, block in _ask_tcp(tables, wanted, deadline, attributes=inet_requests.WANT_SKMEMINFO):
        listeners[table.name] += tuple(inet_diag.read_listeners(block))
    return listeners


def read_bound(tables: Collection[Table], deadline: float) -> tuple[tuple[Table, Origin], ...]:
    """Return TCP's sockets that are only bound; empty before Linux 6.8.

    Raises SockDiagError.
    """
    return tuple(
        (table, origin)
        for table, block in _ask_tcp(tables, inet_requests.ONLY_BOUND, deadline)
        for origin in inet_diag.read_origins(block)
    )


def read_ends(tables: Collection[Table], state: int, deadline: float) -> tuple[End, ...]:
    """Return the other ends of TCP's sockets in one state; raises SockDiagError."""
    return tuple(
        End(local_port, remote_port, destination[: _LENGTHS[table.family]])
        for table, block in _ask_tcp(tables, 1 << state, deadline)
        for _, local_port, remote_port, _, destination in DiagRows(table, block).endpoints()
    )


def read_silences(table: Table, wanted_states: Collection[int], deadline: float) -> Silences:
    """Return how long ago the last segment came, of TCP's sockets in some states.

    Raises SockDiagError.
    """
    mask = sum(1 << state for state in set(wanted_states))
    question = inet_requests.ask_for(table, mask, attributes=inet_requests.WANT_INFO)
    silences = Silences(array("Q"), bytearray(), array("I"))
    for block in _ask(question, deadline):
        inet_diag.add_silences(block, silences)
    return silences


def _walk_tcp(tables: Collection[Table], deadline: float, details: Detail) -> Walk:
    listeners = read_listeners(tables, deadline)
    yield from ((table, ListenerRows(listeners[table.name])) for table in tables)
    connected = inet_requests.ALL_STATES & ~inet_requests.ONLY_LISTEN
    attributes = inet_requests.WANT_INFO if Detail.DATA_TIMES in details else 0
    attributes |= inet_requests.WANT_SKMEMINFO if Detail.MEMORY in details else 0
    for table, block in _ask_tcp(tables, connected, deadline, attributes=attributes):
        yield table, DiagRows(table, block)


def _ask_tcp(
    tables: Collection[Table], wanted_states: int, deadline: float, *, attributes: int = 0
) -> Iterator[tuple[Table, Block]]:
    """Ask once for the sockets of one or both of TCP's tables, and yield the blocks of each."""
    wanted: dict[int, Table] = {inet_requests.FAMILIES[table.family]: table for table in tables}
    question = inet_requests.ask_for_tcp(wanted_states, attributes=attributes)
    if len(wanted) == 1:
        (table,) = tables
        question = inet_requests.ask_for(table, wanted_states, attributes=attributes)
    for block in _ask(question, deadline):
        for family, own in inet_diag.divide_families(block):
            if family in wanted:
                yield wanted[family], own


def _ask(question: Question, deadline: float) -> Iterator[Block]:
    with closing(dump(question, deadline)) as answers:
        for blocks in answers:
            yield from blocks
