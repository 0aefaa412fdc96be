"""Render the status page: a template, which escapes all that it is given, with its own style sheet.

It is imported at the first view: the library takes a megabyte of memory, which a host that nobody looks at
need not pay for.
"""

import base64
import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from exporter.serving.sparkline import HEIGHT, WIDTH, draw_line
from exporter.serving.tiles import list_tiles
from exporter.status import quantities
from exporter.status.model import Leak, Service, Status

MOST_ROWS: Final = 50
"""The longest of the tables; the JSON has more."""
MOST_PROBLEMS: Final = 10

_FOLDER: Final = os.path.join(os.path.dirname(__file__), "templates")
_UNKNOWN: Final = "\N{EN DASH}"
_STATES: Final = ("established", "close_wait", "time_wait", "listen", "unconnected")
"""What comes first, of the states that there are."""

_NAMES: Final = {
    "ephemeral_ports": "Ephemeral ports, one destination",
    "bound_ports": "Ephemeral ports, bound",
    "time_wait": "TIME_WAIT table",
    "accept_queue": "Accept queue",
    "open_files": "Open files",
    "tcp_memory": "TCP memory",
    "orphans": "Orphaned connections",
    "listen_overflows": "Accept queue overflows",
    "listener_drops": "Connections dropped by listeners",
    "udp_drops": "Datagrams dropped",
    "time_wait_overflows": "TIME_WAIT cut short",
    "memory_aborts": "Aborts for want of memory",
    "syn_queue_drops": "Handshakes dropped",
    "syn_cookies": "SYN cookies sent",
}


class Renderer:
    """Has the compiled template. ``headers`` go with every page."""

    def __init__(self) -> None:
        with open(os.path.join(_FOLDER, "status.css"), encoding="utf-8") as file:
            self._style = file.read()
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self.headers: Mapping[str, str] = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": (
                f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
                "form-action 'none'; frame-ancestors 'none'"
            ),
        }
        environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(
            count=_or_unknown(quantities.say_count),
            duration=_or_unknown(quantities.say_duration),
            bytes=_or_unknown(quantities.say_bytes),
            share=_or_unknown(quantities.say_share),
            rate=_or_unknown(quantities.say_rate),
            quantity=_say_quantity,
            growth=_or_unknown(_say_growth),
            moment=_say_moment,
        )
        self._template = environment.get_template("status.html")

    def render(self, status: Status | None, refresh_seconds: int | None) -> bytes:
        """Return a page; there is no status before the first snapshot, and it may not refresh itself."""
        times = status.history_at_seconds if status else ()
        states = _choose_states(status.services[:MOST_ROWS]) if status else []

        def line(values: Sequence[float | None]) -> str:
            return draw_line(times, values)

        return self._template.render(
            status=status,
            tiles=list(list_tiles(status)) if status else [],
            names=_NAMES,
            states=states,
            state_headings=[f"#{state}" for state in states],  # of numbers, see the table macro
            files_left=_say_files_left,
            refresh_seconds=refresh_seconds,
            style=self._style,
            line=line,
            line_width=WIDTH,
            line_height=HEIGHT,
            most_rows=MOST_ROWS,
            most_problems=MOST_PROBLEMS,
        ).encode()


def _or_unknown(say: quantities.Say) -> Callable[[float | None], str]:
    return lambda value: _UNKNOWN if value is None else say(value)


def _say_quantity(value: float, unit: str) -> str:
    return quantities.say_bytes(value) if unit == "bytes" else quantities.say_count(value)


def _say_moment(at_seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at_seconds))


def _say_growth(per_hour: float) -> str:
    return f"{per_hour:+,.0f}" if round(per_hour) else "0"


def _choose_states(services: Sequence[Service]) -> Sequence[str]:
    """Return the states in which some services have sockets."""
    found = {state for service in services for state, number in service.states.items() if number}
    return [state for state in _STATES if state in found] + sorted(found.difference(_STATES))


def _say_files_left(leak: Leak) -> str:
    """Return how many files the owner with the least room can still open."""
    left = [
        each.open_files_limit - each.open_files
        for each in leak.owners
        if each.open_files is not None and each.open_files_limit is not None
    ]
    return quantities.say_count(min(left)) if left else _UNKNOWN
