"""Make tables of the parts of a status: leaks, limits, drops, peers that do not answer."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from exporter.status.model import Leak, Status
from exporter.status.names import KINDS, name_owner, name_port
from exporter.status.quantities import say_bytes, say_count, say_duration, say_rate, say_share
from exporter.status.severity import OK
from exporter.terminal.services_view import say_direction
from exporter.terminal.tables import Column, Row, Table, show_known

_MOST_ROWS: Final = 10
_MOST_LEAKS: Final = 20
_WORTH_RATIO: Final = 0.001

_WHERE: Final = Column("Where", 5, is_text=True)


class Peers(NamedTuple):
    """A leak, and its busiest remote addresses with their sockets."""

    leak: Leak
    busiest: Sequence[tuple[str, int]]


def list_leaks(status: Status) -> Table:
    """Return the leaks, a row for each owner; what is true of all owners stands in the first.

    A pod is its own name; where others are is in the last column.
    """
    columns = (
        Column("Owner", 0, is_text=True),
        Column("Dir", 1, is_text=True),
        Column("Port", 0, is_text=True),
        Column("CloseWait", 0),
        Column("Stuck", 2),
        Column("Oldest", 3),
        Column("Per hour", 6),
        Column("Files", 5),
        Column("Left", 4),
        _WHERE,
    )
    rows = []
    leaks = status.leaks[:_MOST_LEAKS]
    for leak in leaks:
        place = (say_direction(leak), name_port(leak))
        owners = leak.owners
        first = owners[0] if owners else None
        owner = name_owner(leak) if first or leak.netns else ""
        where = "" if owner == leak.netns else leak.netns
        texts = (
            owner,
            *place,
            say_count(leak.sockets),
            show_known(leak.stuck),
            _say_time(leak.oldest_seconds),
            show_known(leak.growth_per_hour, "{:+,.0f}".format),
            "" if first is None else _say_files(first.open_files, first.open_files_limit),
            _say_time(leak.left_seconds),
            where,
        )
        rows.append(Row(texts, leak.severity))
        rows += [
            Row(
                (
                    each.owner,
                    *place,
                    f"of these {say_count(each.sockets)}",
                    *("", "", ""),
                    _say_files(each.open_files, each.open_files_limit),
                    _say_time(each.left_seconds),
                    where,
                ),
                leak.severity,
            )
            for each in owners[1:]
        ]
    return Table(columns, rows, status.leaks_total - len(leaks))


def list_peers(peers: Sequence[Peers]) -> Table:
    """Return the busiest remote addresses of each leak."""
    columns = (
        Column("Dir", 1, is_text=True),
        Column("Port", 0, is_text=True),
        Column("Address", 0, is_text=True, is_whole=True),
        Column("CloseWait"),
    )
    rows = [
        Row((say_direction(each.leak), name_port(each.leak), address, say_count(number)))
        for each in peers
        for address, number in each.busiest
    ]
    return Table(columns, rows)


def list_resources(status: Status) -> Table:
    """Return what is limited, the fullest first, as far as it is used."""
    columns = (
        Column("What", 0, is_text=True),
        Column("Of", 0, is_text=True),
        Column("Used", 2),
        Column("Limit", 2),
        Column("Share", 0),
        Column("Left", 1),
        _WHERE,
    )
    rows: list[Row] = []
    for each in status.resources:
        if each.severity == OK and (each.ratio < _WORTH_RATIO or len(rows) >= _MOST_ROWS):
            continue
        say = say_bytes if each.unit == "bytes" else say_count
        what = (KINDS.get(each.kind, each.kind), each.owner or name_port(each) or each.protocol)
        numbers = (say(each.used), say(each.limit), say_share(each.ratio), _say_time(each.left_seconds))
        rows.append(Row((*what, *numbers, each.netns), each.severity))
    return Table(columns, rows, status.resources_total - len(rows))


def list_losses(status: Status) -> Table:
    """Return what was dropped, the worst first."""
    columns = (
        Column("What", 0, is_text=True),
        Column("Port", 1, is_text=True),
        Column("Total", 0),
        Column("Now", 2),
        _WHERE,
    )
    rows = [
        Row(
            (
                KINDS.get(each.kind, each.kind),
                name_port(each),
                say_count(each.total),
                show_known(each.per_second, say_rate),
                each.netns,
            ),
            each.severity,
        )
        for each in status.losses[:_MOST_ROWS]
    ]
    return Table(columns, rows, status.losses_total - len(rows))


def list_silences(status: Status) -> Table:
    """Return the services whose peers do not answer, or with idle connections."""
    columns = (
        Column("Dir", 1, is_text=True),
        Column("Port", 0, is_text=True),
        Column("Unanswered", 0),
        Column("Waiting for", 4, is_text=True),
        Column("Idle", 2),
        Column("No keepalive", 3),
        _WHERE,
    )
    rows = [
        Row(
            (
                say_direction(each),
                name_port(each),
                say_count(each.unanswered),
                ", ".join(f"{what} {number}" for what, number in each.waiting.items() if number),
                show_known(each.idle),
                show_known(each.idle_without_keepalive),
                each.netns,
            ),
            each.severity,
        )
        for each in status.silences[:_MOST_ROWS]
    ]
    return Table(columns, rows, status.silences_total - len(rows))


def _say_time(seconds: float | None) -> str:
    return show_known(seconds, lambda known: say_duration(round(known)))


def _say_files(used: int | None, limit: int | None) -> str:
    return "" if used is None or limit is None else f"{used}/{limit}"
