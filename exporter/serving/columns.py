"""Say which columns each table of the status page has, and how their numbers are written."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from exporter.serving.tables import Cell, Column
from exporter.status.condition import CollectorRow, Setting, TableRow
from exporter.status.model import Leak, Loss, Namespace, Place, Resource, Scope, Service, Silence
from exporter.status.names import KINDS, name_owner
from exporter.status.quantities import Say, say_bytes, say_count, say_duration, say_rate, say_share
from exporter.status.severity import OK, WARNING

R = TypeVar("R")

UNKNOWN: Final = "\N{EN DASH}"
"""What was not measured, or is not known."""

_FIRST_STATES: Final = ("established", "close_wait", "time_wait", "listen", "unconnected")
_MOST_OWNERS: Final = 3


def say(write: Say, value: float | None, severity: str = OK) -> Cell:
    """Return the cell of a number, coloured by a severity; a dash if it is not known."""
    if value is None:
        return Cell(UNKNOWN)
    return Cell(write(value), "", "" if severity == OK else severity)


def number(name: str, make: Callable[[R], Cell]) -> Column[R]:
    """Return a column of numbers."""
    return Column(name, make, is_number=True)


def show_port(row: Place) -> Cell:
    """Return the cell of a port: its name, and the number if that is another."""
    return Cell(row.port_name, "" if row.port_name == row.port else row.port)


def _where(row: Scope) -> str:
    return row.netns or "host"


def _owners(row: Leak) -> str:
    """Return whose leak it is; all owners, if there are several."""
    has_several = len(row.owners) > 1
    if row.pod or not has_several:
        return row.pod or name_owner(row)
    names = [f"{each.owner} ({each.sockets:,})" for each in row.owners]
    more = [f"{len(names) - _MOST_OWNERS} more"] if len(names) > _MOST_OWNERS else []
    return ", ".join([*names[:_MOST_OWNERS], *more])


def _files_left(row: Leak) -> Cell:
    """Return how many files the owner nearest to its limit can still open."""
    left = [
        each.open_files_limit - each.open_files
        for each in row.owners
        if each.open_files is not None and each.open_files_limit is not None
    ]
    return say(say_count, min(left, default=None))


def _growth(per_hour: float) -> str:
    return f"{per_hour:+,.0f}" if round(per_hour) else "0"


def _of(row: Resource) -> Cell:
    """Return what a resource is of: an owner, a service, a protocol, or the whole host."""
    if row.owner or not row.port:
        return Cell(row.owner or row.protocol or "all")
    port = show_port(row)
    return port._replace(text=f"{row.direction} {port.text}")


def _amount(row: Resource, value: float) -> Cell:
    return Cell(say_bytes(value) if row.unit == "bytes" else say_count(value))


def _queue(row: Service) -> Cell:
    if row.accept_queue is None:
        return Cell(UNKNOWN)
    limit = UNKNOWN if row.accept_queue_limit is None else say_count(row.accept_queue_limit)
    return Cell(f"{row.accept_queue:,} of {limit}")


def _result(row: TableRow | CollectorRow) -> Cell:
    if not row.error:
        return Cell("ok")
    since = f" for {say_duration(row.failing_seconds)}" if row.failing_seconds else ""
    return Cell(f"fails{since}: {row.error}", colour=row.severity)


def _state(state: str) -> Column[Service]:
    """Return the column of a state; close_wait is coloured, as it never ends by itself."""

    def make(row: Service) -> Cell:
        sockets = row.states.get(state)
        return say(say_count, sockets, WARNING if state == "close_wait" and sockets else OK)

    return number(state, make)


# What matters most is first: a phone shows three or four columns at a time.
LEAKS: Final[Sequence[Column[Leak]]] = (
    Column("Owner", _owners),
    Column("Port", show_port),
    number("Stuck", lambda row: say(say_count, row.stuck, row.severity)),
    number("Oldest", lambda row: say(say_duration, row.oldest_seconds)),
    number("Time left", lambda row: say(say_duration, row.left_seconds, row.severity)),
    number("In CLOSE_WAIT", lambda row: say(say_count, row.sockets)),
    number("Growth an hour", lambda row: say(_growth, row.growth_per_hour)),
    number("Open files left", _files_left),
    Column("Direction", lambda row: row.direction),
    Column("Where", _where),
)
RESOURCES: Final[Sequence[Column[Resource]]] = (
    Column("What", lambda row: KINDS[row.kind]),
    Column("Of", _of),
    number("Share", lambda row: say(say_share, row.ratio, row.severity)),
    number("Time left", lambda row: say(say_duration, row.left_seconds)),
    number("Used", lambda row: _amount(row, row.used)),
    number("Limit", lambda row: _amount(row, row.limit)),
    Column("Where", _where),
)
LOSSES: Final[Sequence[Column[Loss]]] = (
    Column("What", lambda row: KINDS[row.kind]),
    Column("Port", lambda row: show_port(row) if row.port else "all"),
    number("Rate", lambda row: say(say_rate, row.per_second, row.severity)),
    number("Total", lambda row: say(say_count, row.total)),
    Column("Where", _where),
)
SILENCES: Final[Sequence[Column[Silence]]] = (
    Column("Port", show_port),
    Column("Direction", lambda row: row.direction),
    number("Unanswered", lambda row: say(say_count, row.unanswered, row.severity)),
    Column("Waiting for", lambda row: ", ".join(row.waiting)),
    number("Idle", lambda row: say(say_count, row.idle)),
    number("Idle without keepalive", lambda row: say(say_count, row.idle_without_keepalive)),
    Column("Where", _where),
)
NAMESPACES: Final[Sequence[Column[Namespace]]] = (
    Column("Name", lambda row: row.pod or row.netns),
    Column("Namespace", lambda row: row.namespace),
    number("Sockets", lambda row: say(say_count, row.sockets)),
    number("established", lambda row: say(say_count, row.states.get("established", 0))),
    number("close_wait", lambda row: say(say_count, row.states.get("close_wait", 0))),
    number("time_wait", lambda row: say(say_count, row.states.get("time_wait", 0))),
    number("Stuck", lambda row: say(say_count, row.stuck, row.severity)),
)
TABLES: Final[Sequence[Column[TableRow]]] = (
    Column("Table", lambda row: row.table),
    Column("Source", lambda row: row.source),
    number("Rows", lambda row: say(say_count, row.rows)),
    number("Difference to sockstat", lambda row: say(say_count, row.difference)),
    number("Took", lambda row: say(say_duration, row.duration_seconds)),
    Column("Result", _result),
)
COLLECTORS: Final[Sequence[Column[CollectorRow]]] = (
    Column("Collector", lambda row: row.collector),
    number("Took", lambda row: say(say_duration, row.duration_seconds)),
    Column("Result", _result),
)
SETTINGS: Final[Sequence[Column[Setting]]] = (
    Column("Key", lambda row: row.key),
    Column("Value", lambda row: row.value),
    Column("Default", lambda row: "yes" if row.is_default else "no"),
)


def choose_service_columns(services: Sequence[Service]) -> Sequence[Column[Service]]:
    """Return the columns of services, with the states in which some of them have sockets."""
    found = {state for service in services for state, sockets in service.states.items() if sockets}
    states = [state for state in _FIRST_STATES if state in found]
    return (
        Column("Port", show_port),
        Column("Direction", lambda row: f"{row.protocol} {row.direction}"),
        Column("Where", _where),
        Column("Listens", lambda row: ", ".join(row.owners)),
        *map(_state, [*states, *sorted(found.difference(states))]),
        number("Accept queue", _queue),
        number("Unread", lambda row: say(say_bytes, row.receive_queue_bytes)),
        number("Unacknowledged", lambda row: say(say_bytes, row.send_queue_bytes)),
    )
