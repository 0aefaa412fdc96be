"""Read the dashboard as Grafana does, and ask its queries."""

import json
from collections.abc import Iterator
from typing import Final, NamedTuple, NotRequired, TypedDict

from grafana.generate import GENERATED

CHOSEN: Final = {"$job": ".+", "$instance": ".+", "$port_name": ".+", "$__rate_interval": "5s"}


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


class FieldConfig(TypedDict):
    """How values are shown."""

    defaults: dict[str, object]


class Panel(TypedDict):
    """A panel or the heading of a row."""

    id: int
    type: str
    title: str
    gridPos: Place
    description: NotRequired[str]
    datasource: NotRequired[DataSource]
    targets: NotRequired[list[Target]]
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


class Dashboard(TypedDict):
    """The file."""

    id: int | None
    uid: str
    editable: bool
    schemaVersion: int
    annotations: dict[str, list[Annotation]]
    templating: dict[str, list[Variable]]
    panels: list[Panel]


class Query(NamedTuple):
    """A query, the panel that asks it, and its letter there."""

    panel: str
    letter: str
    expression: str

    @property
    def chosen(self) -> str:
        """The expression with everything chosen, as Prometheus gets it."""
        expression = self.expression
        for variable, value in CHOSEN.items():
            expression = expression.replace(variable, value)
        return expression


def read_dashboard() -> Dashboard:
    """Return what is committed."""
    dashboard: Dashboard = json.loads(GENERATED.read_text())
    return dashboard


def read_panels() -> list[Panel]:
    """Return the panels without the headings."""
    return [panel for panel in read_dashboard()["panels"] if panel["type"] != "row"]


def read_queries() -> Iterator[Query]:
    """Yield every query of every panel, and those of the annotations."""
    for panel in read_panels():
        for target in panel.get("targets", []):
            yield Query(panel["title"], target["refId"], target["expr"])
    for annotation in read_dashboard()["annotations"]["list"]:
        yield Query("annotation", "A", annotation["expr"])
