"""Read the dashboards as Grafana does, and ask their queries."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, NotRequired, TypedDict

from tests.support.daemon import ROOT

FOLDER: Final = ROOT / "grafana"
HOST, FLEET = FILES = (FOLDER / "netstat-host.json", FOLDER / "netstat-fleet.json")
CHOSEN: Final = {
    "$cluster": ".*",
    "$job": ".+",
    "$instance": ".+",
    "$netns": ".*",
    "$port_name": ".+",
    "$__rate_interval": "5s",
}


class Place(TypedDict):
    """Where a panel is in the grid."""

    x: int
    y: int
    w: int
    h: int


class DataSource(TypedDict):
    """Which Prometheus is asked."""

    type: str
    uid: str


class Target(TypedDict):
    """One query."""

    expr: str
    refId: str
    instant: bool
    datasource: DataSource


class Property(TypedDict):
    """What a column has of its own."""

    id: str
    value: object


class Override(TypedDict):
    """What the column of this name has of its own."""

    matcher: dict[str, str]
    properties: list[Property]


class FieldConfig(TypedDict):
    """How values are shown."""

    defaults: dict[str, object]
    overrides: list[Override]


class Reducing(TypedDict):
    """Which of many values a stat shows."""

    calcs: list[str]


class Options(TypedDict):
    """What a type of panel has of its own."""

    reduceOptions: NotRequired[Reducing]


class Panel(TypedDict):
    """A panel or the heading of a row."""

    id: int
    type: str
    title: str
    gridPos: Place
    description: NotRequired[str]
    datasource: NotRequired[DataSource]
    targets: NotRequired[list[Target]]
    options: NotRequired[Options]
    maxDataPoints: NotRequired[int]
    fieldConfig: NotRequired[FieldConfig]


class Variable(TypedDict):
    """What is chosen at the top."""

    name: str
    label: str
    type: str
    query: str
    datasource: NotRequired[DataSource]
    refresh: NotRequired[int]
    multi: NotRequired[bool]
    allValue: NotRequired[str]


class Annotation(TypedDict):
    """A mark in every graph."""

    expr: str
    datasource: DataSource


class Link(TypedDict):
    """A link at the top."""

    url: str


class Dashboard(TypedDict):
    """The file."""

    id: int | None
    uid: str
    editable: bool
    schemaVersion: int
    links: list[Link]
    annotations: dict[str, list[Annotation]]
    templating: dict[str, list[Variable]]
    panels: list[Panel]


class Query(NamedTuple):
    """A query, the dashboard and panel that ask it, and its letter there."""

    dashboard: str
    panel: str
    letter: str
    expression: str

    def __str__(self) -> str:
        """Name it."""
        return f"{self.dashboard}-{self.panel}-{self.letter}"

    @property
    def chosen(self) -> str:
        """The expression with everything chosen, as Prometheus gets it."""
        expression = self.expression
        for variable, value in CHOSEN.items():
            expression = expression.replace(variable, value)
        return expression


def read_dashboard(path: Path) -> Dashboard:
    """Return what is committed."""
    dashboard: Dashboard = json.loads(path.read_text())
    return dashboard


def read_panels(path: Path) -> list[Panel]:
    """Return the panels without the headings."""
    return [panel for panel in read_dashboard(path)["panels"] if panel["type"] != "row"]


def read_queries(path: Path) -> Iterator[Query]:
    """Yield every query of every panel, and those of the annotations."""
    for panel in read_panels(path):
        for target in panel.get("targets", []):
            yield Query(path.stem, panel["title"], target["refId"], target["expr"])
    for annotation in read_dashboard(path)["annotations"]["list"]:
        yield Query(path.stem, "annotation", "A", annotation["expr"])
