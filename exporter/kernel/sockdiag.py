"""Read the socket tables through NETLINK_SOCK_DIAG, row for row what ``procnet`` reads from procfs.

1. It asks for the states that procfs lists, not for the pseudo-state of sockets that are only bound.
2. It asks for TCP's listeners first, on their own: the kernel has a separate hash for them.
3. A dump resumes in the hash bucket where it stopped, as procfs does, but stops an eighth as often. A row
   that is listed twice is as rare as one that is missed, and not removed.
"""

from collections.abc import Collection, Generator
from contextlib import closing

from exporter.kernel import inet_diag, inet_requests
from exporter.kernel.netlink import dump
from exporter.kernel.rows import Listener, ListenerRows, Origin, Rows
from exporter.kernel.tables import Table
from exporter.kernel.unix_diag import ask_for_unix, parse_unix

Walk = Generator[tuple[Table, Rows], None, None]
"""The rows of some tables, block after block, each with its table."""


def walk_tables(tables: Collection[Table], deadline: float, *, want_drops: bool = False) -> Walk:
    """Yield the rows of tables of one protocol; TCP's two come in one dump.

    ``deadline`` is on the monotonic clock. ``want_drops`` also asks for the drops of datagram sockets.

    Raises SockDiagError, while iterating.
    """
    if any(table.protocol == "tcp" for table in tables):
        for table in tables:
            yield table, ListenerRows(read_listeners(table, deadline))
        yield from _walk_tcp(tables, deadline)
        return
    for table in tables:
        if table.protocol == "unix":
            with closing(dump(ask_for_unix(), deadline)) as answers:
                for blocks in answers:
                    yield from ((table, parse_unix(block)) for block in blocks)
        else:
            attributes = inet_requests.WANT_SKMEMINFO if want_drops else 0
            question = inet_requests.ask_for(table, attributes=attributes)
            with closing(dump(question, deadline)) as answers:
                for blocks in answers:
                    yield from ((table, inet_diag.DiagRows(table, block)) for block in blocks)


def read_listeners(table: Table, deadline: float) -> tuple[Listener, ...]:
    """Return TCP's listeners, at a cost that does not depend on the connections.

    Raises SockDiagError.
    """
    with closing(dump(inet_requests.ask_for(table, inet_requests.ONLY_LISTEN), deadline)) as answers:
        return tuple(
            listener for blocks in answers for block in blocks for listener in inet_diag.read_listeners(block)
        )


def read_bound(tables: Collection[Table], deadline: float) -> tuple[tuple[Table, Origin], ...]:
    """Return TCP's sockets that are only bound; empty before Linux 6.8.

    Raises SockDiagError.
    """
    with closing(dump(inet_requests.ask_for_tcp(inet_requests.ONLY_BOUND), deadline)) as answers:
        return tuple(
            (table, origin)
            for blocks in answers
            for block in blocks
            for table in tables
            if (own := inet_diag.select_family(block, inet_requests.FAMILIES[table.family]))
            for origin in inet_diag.read_origins(own)
        )


def read_silences(table: Table, wanted_states: Collection[int], deadline: float) -> dict[int, float]:
    """Return by identity the seconds since the last segment, of TCP's sockets in some states.

    Raises SockDiagError.
    """
    mask = sum(1 << state for state in set(wanted_states))
    question = inet_requests.ask_for(table, mask, attributes=inet_requests.WANT_INFO)
    with closing(dump(question, deadline)) as answers:
        return dict(
            silence for blocks in answers for block in blocks for silence in inet_diag.read_silences(block)
        )


def _walk_tcp(tables: Collection[Table], deadline: float) -> Walk:
    question = inet_requests.ask_for_tcp(inet_requests.ALL_STATES & ~inet_requests.ONLY_LISTEN)
    families = [(table, inet_requests.FAMILIES[table.family]) for table in tables]
    if len(families) == 1:
        table, _ = families[0]
        question = inet_requests.ask_for(table, inet_requests.ALL_STATES & ~inet_requests.ONLY_LISTEN)
    with closing(dump(question, deadline)) as answers:
        for blocks in answers:
            for block in blocks:
                for table, family in families:
                    if own := inet_diag.select_family(block, family):
                        yield table, inet_diag.DiagRows(table, own)
