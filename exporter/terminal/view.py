"""Show a status as text: what is wrong, who leaks, what runs out, and what there is."""

import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from exporter.sampling.labels import UNKNOWN_OWNER
from exporter.status.model import Problem, Status
from exporter.status.quantities import say_count, say_duration
from exporter.status.severity import OK
from exporter.terminal.options import BY_UNIT
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
MOST_PROBLEMS: Final = 20

_AT_FIRST: Final = " that a single pass can see. Ages, growth and rates take a second one: --watch."
_WHY_UNKNOWN: Final = (
    f"{UNKNOWN_OWNER}: only the owners of what listens on this host, and of what leaks, are looked up."
)


class Wanted(NamedTuple):
    """What of a status is shown: all of it or one port's, or the sockets alone, in one of three ways.

    ``unseen`` services have fewer sockets than those that the status has.
    """

    listeners: bool = False
    state: str | None = None
    by: str | None = None
    port: str | None = None
    unseen: int = 0


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
            return self._table(add_up(status, wanted.by, wanted.state), wanted)
        if wanted.listeners:
            return self._table(list_listeners(status), wanted)
        if wanted.state:
            return self._table(list_services(status, wanted.state), wanted)
        return list(self._overview(status, wanted, note, peers))

    def _overview(self, status: Status, wanted: Wanted, note: str, peers: Sequence[Peers]) -> Iterator[str]:
        yield from self._lines(_introduce(status, note), "dim" if status.severity == OK else status.severity)
        yield ""
        if wanted.port and not (status.services or status.leaks or status.problems):
            what = "No socket of the busiest services" if wanted.unseen else "No socket"
            yield from self._lines(f"{what} is counted at a port that is called {wanted.port}.", OK)
            yield from self._unseen(wanted)
            return
        yield from self._problems(status, wanted)
        nobody = "No socket of it is in CLOSE_WAIT." if wanted.port else "Nobody: no socket is in CLOSE_WAIT."
        yield from self._section("Who leaks?", list_leaks(status), nobody, "--state=close_wait")
        yield from self._section("Where do the leaks lead to?", list_peers(peers))
        yield from self._section("What runs out?", list_resources(status), "Nothing is near a limit.")
        yield from self._section("What was dropped?", list_losses(status))
        yield from self._section("Who does not answer?", list_silences(status))
        services = list_services(status, most=MOST_SERVICES)
        yield from self._section("Sockets by service", services, "There are no sockets.", "--by=port")
        if wanted.port:
            yield from self._unseen(wanted)
        yield from self._remedies(status.problems[:MOST_PROBLEMS])

    def _problems(self, status: Status, wanted: Wanted) -> Iterator[str]:
        for problem in status.problems[:MOST_PROBLEMS]:
            text = f"{problem.severity}: {problem.text} [{problem.alert}]"
            yield from self._lines(text, problem.severity)
        if len(status.problems) > MOST_PROBLEMS:
            left = say_count(len(status.problems) - MOST_PROBLEMS)
            yield from self._lines(f"And {left} more, which are marked below.", "dim")
        if not status.problems:
            where = f" at port {wanted.port}" if wanted.port else ""
            is_first = len(status.history_at_seconds) <= 1
            yield from self._lines(f"Nothing is wrong{where}{_AT_FIRST if is_first else '.'}", OK)

    def _remedies(self, problems: Sequence[Problem]) -> Iterator[str]:
        """Yield what to do about each kind of problem, and where to read on."""
        alerts: dict[str, Problem] = {}
        for problem in problems:  # the worst first
            alerts.setdefault(problem.alert, problem)
        if alerts:
            yield ""
            yield from self._lines("What to do?", "title")
        for alert, problem in alerts.items():
            yield from self._lines(f"{alert}: {problem.remedy}", problem.severity)
            yield from self._lines(problem.runbook, "dim")

    def _section(self, title: str, table: Table, otherwise: str = "", flag: str = "--json") -> Iterator[str]:
        """Yield a table below its title; ``flag`` shows the rows that are left out."""
        if not (table.rows or otherwise):
            return
        yield ""
        yield from self._lines(title, "title")
        yield from render_table(table, self._width, self._paint) or self._lines(otherwise, OK)
        if table.rows and table.hidden:
            yield from self._lines(f"{say_count(table.hidden)} more; see them with {flag}.", "dim")

    def _table(self, table: Table, wanted: Wanted) -> list[str]:
        lines = render_table(table, self._width, self._paint) or self._lines("No such sockets.", OK)
        if UNKNOWN_OWNER in (row.texts[0] for row in table.rows) and wanted.by == BY_UNIT:
            lines += self._lines(_WHY_UNKNOWN, "dim")
        return [*lines, *self._unseen(wanted)]

    def _unseen(self, wanted: Wanted) -> list[str]:
        left = f"{say_count(wanted.unseen)} services with fewer sockets are not counted here."
        return self._lines(left, "dim") if wanted.unseen else []

    def _lines(self, text: str, style: str) -> list[str]:
        return [self._paint(line, style) for line in wrap(text, self._width)]


def _introduce(status: Status, note: str) -> str:
    words = f"{status.host}: {say_count(status.sockets)} sockets"
    if note:
        return f"{words}, {note}"
    age = say_duration(max(0.0, round(time.time() - status.taken_at_seconds)))
    return f"{words}, {age} ago, every {say_duration(status.exporter.interval_seconds)}"
