"""Show services as netstat shows connections: protocol, queues, port, and sockets by state."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from exporter.sampling.labels import UNKNOWN_OWNER
from exporter.status.model import Place, Service, Status
from exporter.status.names import name_port
from exporter.status.quantities import say_count
from exporter.status.severity import OK
from exporter.terminal.options import BY_POD, BY_PORT, BY_UNIT
from exporter.terminal.selection import order_by_state
from exporter.terminal.tables import Column, Row, Table, show_known

_HOST: Final = "host"
_NO_PORT: Final = "-"
_COUNTED: Final = ("established", "time_wait", "close_wait")
_COUNTS: Final = (
    Column("Estab", 4),
    Column("TimeWait", 4),
    Column("CloseWait", 0),
    Column("Rest", 7),
)
_WHERE: Final = (Column("Owner", 6, is_text=True), Column("Where", 5, is_text=True))


def list_services(status: Status, state: str | None = None, most: int | None = None) -> Table:
    """Return the services, the busiest first, at most so many; with a state those that have sockets in it."""
    services: Sequence[Service] = status.services
    if state:
        services = [each for each in order_by_state(services, state) if each.states.get(state)]
        counts: tuple[Column, ...] = (Column(state.upper()), Column("Sockets", 3))
    else:
        counts = (Column("Sockets", 1), *_COUNTS)
    columns = (
        Column("Proto", 2, is_text=True),
        Column("Recv-Q", 8),
        Column("Send-Q", 8),
        Column("Dir", 1, is_text=True),
        Column("Port", 0, is_text=True),
        *counts,
        *_WHERE,
    )
    severities = _find_severities(status)
    rows = []
    for each in services[:most]:
        numbers = _count_state(each, state) if state else (say_count(each.sockets), *_count(each.states))
        queues = (show_known(each.receive_queue_bytes, str), show_known(each.send_queue_bytes, str))
        texts = (each.protocol, *queues, say_direction(each), name_port(each), *numbers)
        severity = severities.get(_identify(each), OK)
        rows.append(Row((*texts, ", ".join(each.owners), each.netns), severity))
    beyond = status.services_total - len(status.services)
    return Table(columns, rows, beyond + len(services) - len(rows))


def list_listeners(status: Status) -> Table:
    """Return what listens: from where it can be reached, how full its accept queue is, and who owns it."""
    columns = (
        Column("Proto", 5, is_text=True),
        Column("Port", 0, is_text=True),
        Column("Listens on", 4, is_text=True),
        Column("Sockets", 6),
        Column("Accept-Q", 0),
        Column("Estab", 2),
        Column("Owner", 1, is_text=True),
        Column("Where", 3, is_text=True),
    )
    severities = _find_severities(status)
    rows = [
        Row(
            (
                each.protocol,
                name_port(each),
                ", ".join(each.exposure),
                say_count(each.states.get("listen", 0) + each.states.get("unconnected", 0)),
                _say_queue(each),
                say_count(each.states.get("established", 0)),
                ", ".join(each.owners),
                each.netns,
            ),
            severities.get(_identify(each), OK),
        )
        for each in status.services
    ]
    return Table(columns, rows)


def add_up(status: Status, by: str, state: str | None = None) -> Table:
    """Return the sockets of all services by unit, pod or port, those with the most first."""
    title, split = _GROUPS[by]
    found: dict[str, Counter[str]] = {}
    for service in status.services:
        for name, states in split(status, service):
            found.setdefault(name, Counter()).update(states)
    if state:
        found = {name: states for name, states in found.items() if states[state]}
    ordered = sorted(
        found.items(), key=lambda each: (-(each[1][state] if state else each[1].total()), each[0])
    )
    columns: tuple[Column, ...] = (Column(title, 0, is_text=True), Column("Sockets", 1), *_COUNTS)
    if state and state not in _COUNTED:
        columns = (Column(title, 0, is_text=True), Column(state.upper()), Column("Sockets", 1), *_COUNTS)
    rows = []
    for name, states in ordered:
        first = (name, say_count(states[state])) if state and state not in _COUNTED else (name,)
        rows.append(Row((*first, say_count(states.total()), *_count(states))))
    return Table(columns, rows)


def say_direction(place: Place) -> str:
    """Return ``in`` or ``out``, as it fits a narrow column."""
    return place.direction.removesuffix("bound")


def _split_by_unit(status: Status, service: Service) -> Iterator[tuple[str, Mapping[str, int]]]:
    """Yield whose the sockets are: of who listens, else of the owners of a leak; the others are nobody's."""
    if service.owners:
        yield ", ".join(service.owners), service.states
        return
    left = Counter(service.states)
    for leak in status.leaks:
        if _identify(leak) == _identify(service):
            for owner in leak.owners:
                share = min(owner.sockets, left["close_wait"])
                left["close_wait"] -= share
                yield owner.owner, {"close_wait": share}
    yield UNKNOWN_OWNER, left


def _split_by_pod(_: Status, service: Service) -> Iterator[tuple[str, Mapping[str, int]]]:
    yield service.netns or _HOST, service.states


def _split_by_port(_: Status, service: Service) -> Iterator[tuple[str, Mapping[str, int]]]:
    yield name_port(service) or _NO_PORT, service.states


_GROUPS: Final[Mapping[str, tuple[str, Callable[..., Iterator[tuple[str, Mapping[str, int]]]]]]] = {
    BY_UNIT: ("Owner", _split_by_unit),
    BY_POD: ("Where", _split_by_pod),
    BY_PORT: ("Port", _split_by_port),
}


def _find_severities(status: Status) -> Mapping[tuple[str, ...], str]:
    """Return how bad the leaks of services are."""
    return {_identify(leak): leak.severity for leak in status.leaks}


def _identify(place: Place) -> tuple[str, ...]:
    return place.netns, place.protocol, place.direction, place.port


def _count(states: Mapping[str, int]) -> tuple[str, ...]:
    rest = sum(states.values()) - sum(states.get(state, 0) for state in _COUNTED)
    counted = (say_count(states[state]) if state in states else "" for state in _COUNTED)
    return (*counted, say_count(rest))


def _count_state(service: Service, state: str) -> tuple[str, str]:
    return say_count(service.states.get(state, 0)), say_count(service.sockets)


def _say_queue(service: Service) -> str:
    if service.accept_queue is None:
        return ""
    limit = "" if service.accept_queue_limit is None else f"/{service.accept_queue_limit}"
    return f"{service.accept_queue}{limit}"
