"""Show a status as text: what is wrong, who leaks, what runs out, and what there is."""

import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from exporter.status.model import Status
from exporter.status.quantities import say_count, say_duration
from exporter.status.severity import OK
from exporter.terminal.sections import (
    Peers,
    list_leaks,
    list_losses,
    list_peers,
    list_resources,
    list_silences,
)
from exporter.terminal.services_view import add_up, list_listeners, list_services
from exporter.terminal.tables import Paint, Table, render_table, wrap

MOST_SERVICES: Final = 20
"""How many services are shown where all of them were not asked for."""


class Wanted(NamedTuple):
    """What of a status is shown: all of it, or the sockets alone, in one of three ways."""

    listeners: bool = False
    state: str | None = None
    by: str | None = None


class View:
    """Renders a status for a terminal of so many columns; None for as many as it takes."""

    def __init__(self, width: int | None, paint: Paint) -> None:
        self._width = width
        self._paint = paint

    def render(
        self, status: Status, wanted: Wanted, note: str = "", peers: Sequence[Peers] = ()
    ) -> list[str]:
        """Return the lines; ``note`` says where it is from, if not from the daemon."""
        if wanted.by:
            return self._table(add_up(status, wanted.by, wanted.state))
        if wanted.listeners:
            return self._table(list_listeners(status))
        if wanted.state:
            return self._table(list_services(status, wanted.state))
        return list(self._overview(status, note, peers))

    def _overview(self, status: Status, note: str, peers: Sequence[Peers]) -> Iterator[str]:
        yield from self._lines(_introduce(status, note), "dim" if status.severity == OK else status.severity)
        yield ""
        for problem in status.problems:
            text = f"{problem.severity}: {problem.text} [{problem.alert}]"
            yield from self._lines(text, problem.severity)
        where = f"Runbooks: {status.links.runbooks}" if status.problems else "Nothing is wrong."
        yield from self._lines(where, "dim" if status.problems else OK)
        yield from self._section(
            "Who leaks?", list_leaks(status.leaks), "Nobody: no socket is in CLOSE_WAIT."
        )
        yield from self._section("Where do the leaks lead to?", list_peers(peers))
        yield from self._section(
            "What runs out?", list_resources(status.resources), "Nothing is near a limit."
        )
        yield from self._section("What was dropped?", list_losses(status.losses))
        yield from self._section("Who does not answer?", list_silences(status.silences))
        services = list_services(status, most=MOST_SERVICES)
        yield from self._section("Sockets by service", services, "There are no sockets.")
        if status.services_total > len(services.rows):
            left = say_count(status.services_total - len(services.rows))
            yield from self._lines(f"{left} more services; --by=port has all.", "dim")

    def _section(self, title: str, table: Table, otherwise: str = "") -> Iterator[str]:
        if table.rows or otherwise:
            yield ""
            yield from self._lines(title, "title")
            yield from render_table(table, self._width, self._paint) or self._lines(otherwise, OK)

    def _table(self, table: Table) -> list[str]:
        return render_table(table, self._width, self._paint) or self._lines("No such sockets.", OK)

    def _lines(self, text: str, style: str) -> list[str]:
        return [self._paint(line, style) for line in wrap(text, self._width)]


def _introduce(status: Status, note: str) -> str:
    words = f"{status.host}: {say_count(status.sockets)} sockets"
    if note:
        return f"{words}, {note}"
    age = say_duration(max(0.0, round(time.time() - status.taken_at_seconds)))
    return f"{words}, {age} ago, every {say_duration(status.exporter.interval_seconds)}"
