"""Render the status page: a template, which escapes all that it is given, with its own style sheet.

It is imported at the first view: the library takes memory that a host need not pay for at which nobody looks.
What is shown is chosen in ``sections``; a template that did it would take megabytes to compile.
"""

import base64
import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from exporter.serving.sections import describe_other, describe_source, list_notes, list_sections
from exporter.serving.sparkline import HEIGHT, WIDTH
from exporter.serving.tiles import list_tiles
from exporter.status.model import Status
from exporter.status.quantities import say_count, say_duration
from exporter.status.severity import CRITICAL, WARNING

MOST_PROBLEMS: Final = 10

_FOLDER: Final = os.path.join(os.path.dirname(__file__), "templates")


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
        self._template = environment.get_template("status.html")

    def render(self, status: Status | None, refresh_seconds: int | None) -> bytes:
        """Return a page; there is no status before the first snapshot, and it may not refresh itself."""
        shown = _describe(status) if status else {"status": None, "title": "netstat-exporter"}
        return self._template.render(shown, refresh_seconds=refresh_seconds, style=self._style).encode()


def _describe(status: Status) -> Mapping[str, object]:
    """Return what the template shows of a status."""
    sections = list(list_sections(status))
    notes = {section.id: list[str]() for section in sections}
    return {
        "status": status,
        "title": f"{status.host}: {_count_problems(len(status.problems))}, netstat-exporter",
        "facts": list(_list_facts(status)),
        "links": list(_list_links(status)),
        "tiles": list(list_tiles(status)),
        "sections": sections,
        "notes": notes
        | {
            "services": list(describe_other(status)),
            "exporter": list(list_notes(status)),
            "configuration": [describe_source(status)],
        },
        "marked": (CRITICAL, WARNING),
        "most_problems": MOST_PROBLEMS,
        "line_width": WIDTH,
        "line_height": HEIGHT,
    }


def _count_problems(number: int) -> str:
    return "1 problem" if number == 1 else f"{number or 'no'} problems"


def _list_facts(status: Status) -> Iterator[str]:
    exporter = status.exporter
    taken = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(status.taken_at_seconds))
    yield f"{say_count(status.sockets)} sockets"
    interval, cpu = say_duration(exporter.interval_seconds), say_duration(exporter.cpu_seconds)
    yield f"taken {taken}, every {interval}, with {cpu} of CPU"


def _list_links(status: Status) -> Iterator[tuple[str, str]]:
    """Yield addresses and names; those of the exporter are relative, as it may be behind a proxy."""
    links = status.links
    yield links.metrics.removeprefix("/"), f"Metrics ({say_count(status.exporter.series)} series)"
    yield "api/v1/status", "Status as JSON"
    yield "#configuration", "Configuration in force"
    yield f"{links.documentation}/status-page.md", "This page explained"
    yield f"{links.documentation}/metrics.md", "Metrics explained"
    yield links.runbooks, "Runbooks"
