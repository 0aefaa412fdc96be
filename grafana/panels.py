"""Turn a panel that people read into the one that Grafana draws: a stat, a graph over time or a table."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal, NotRequired, TypedDict

UID: Final = "netstat-exporter"
TARGET: Final = 'job=~"$job", instance=~"$instance"'
DATA_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
PORT_LINK: Final = {
    "title": "Show this port below",
    "url": f"/d/{UID}?${{datasource:queryparam}}&${{job:queryparam}}&${{instance:queryparam}}"
    "&var-port_name=${__value.text}&${__url_time_range}",
}

Json = Mapping[str, object]
Thresholds = dict[float, str]
Shape = tuple[Json, dict[str, object]]
"""The options of a panel, and the defaults of its fields, that every panel of a type has."""

STAT: Final[Shape] = (
    {
        "colorMode": "background",
        "graphMode": "none",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    },
    {"color": {"mode": "thresholds"}, "min": 0},
)


class Query(TypedDict):
    """What is asked of Prometheus; ``column`` is its header in a table, where ``hidden`` shows none."""

    query: str
    legend: NotRequired[str]
    column: NotRequired[str]
    unit: NotRequired[str]
    thresholds: NotRequired[Thresholds]


class Panel(TypedDict):
    """One panel; ``columns`` are a table's headers by label, and ``sort`` is the one it is sorted by."""

    title: str
    type: Literal["stat", "timeseries", "table"]
    width: int
    height: NotRequired[int]
    description: str
    unit: str
    signed: NotRequired[bool]
    empty: NotRequired[str]
    thresholds: NotRequired[Thresholds]
    columns: NotRequired[dict[str, str]]
    sort: NotRequired[str]
    queries: list[Query]


def build_panel(panel: Panel) -> dict[str, object]:
    """Return a panel without its place."""
    build = {"stat": lambda _: STAT, "timeseries": build_graph, "table": build_table}[panel["type"]]
    options, own_defaults = build(panel)
    defaults: dict[str, object] = {"unit": panel["unit"], "thresholds": build_thresholds(panel)}
    if "empty" in panel:
        defaults["noValue"] = panel["empty"]
    built: dict[str, object] = {
        "type": panel["type"],
        "title": panel["title"],
        "description": panel["description"],
        "datasource": DATA_SOURCE,
        "targets": list(build_targets(panel)),
        "options": options,
        "fieldConfig": {"defaults": defaults | own_defaults, "overrides": list(build_overrides(panel))},
    }
    if panel["type"] == "table":
        built["transformations"] = list(build_transformations(panel))
    return built


def build_graph(panel: Panel) -> Shape:
    """Return the options of a graph over time, and the defaults of its fields; thresholds are lines."""
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
    line = {"mode": "dashed" if "thresholds" in panel else "off"}
    defaults: dict[str, object] = {
        "color": {"mode": "palette-classic"},
        "custom": {"lineWidth": 2, "showPoints": "auto", "spanNulls": False, "thresholdsStyle": line},
    }
    if not panel.get("signed"):
        defaults["min"] = 0
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}, defaults


def build_table(panel: Panel) -> Shape:
    """Return the options of a table, and the defaults of its fields."""
    sort = [{"displayName": panel["sort"], "desc": True}] if "sort" in panel else []
    return {"showHeader": True, "cellHeight": "sm", "sortBy": sort}, {
        "custom": {"align": "auto", "minWidth": 80}
    }


def build_thresholds(panel: Panel | Query) -> Json:
    """Return where colours begin; the first is that of everything below the second."""
    (_, first), *others = panel.get("thresholds", {0: "green"}).items()
    steps: list[object] = [{"value": None, "color": first}]
    steps += [{"value": value, "color": color} for value, color in others]
    return {"mode": "absolute", "steps": steps}


def build_targets(panel: Panel) -> Iterator[Json]:
    """Yield the queries: those of a graph over time, all others of now, as old numbers would mislead."""
    over_time = panel["type"] == "timeseries"
    for letter, query in zip("ABCDEFGH", panel["queries"], strict=False):
        yield {
            "refId": letter,
            "datasource": DATA_SOURCE,
            "expr": query["query"].strip().replace("$target", TARGET),
            "legendFormat": query.get("legend", ""),
            "instant": not over_time,
            "range": over_time,
            "format": "table" if panel["type"] == "table" else "time_series",
        }


def build_transformations(panel: Panel) -> Iterator[Json]:
    """Yield what makes one table of the queries: a row for what has the same labels, columns in our order."""
    headers = panel.get("columns", {})
    values = dict(
        zip(name_values(panel), (query.get("column", "") for query in panel["queries"]), strict=True)
    )
    shown = {value: header for value, header in values.items() if header != "hidden"}
    yield {"id": "merge", "options": {}}
    yield {
        "id": "organize",
        "options": {
            "excludeByName": dict.fromkeys(
                ["Time", *(value for value in values if value not in shown)], True
            ),
            "indexByName": {name: place for place, name in enumerate([*headers, *values])},
            "renameByName": headers | shown,
        },
    }


def name_values(panel: Panel) -> list[str]:
    """Return the name that Grafana gives the number of each query of a table."""
    letters = "ABCDEFGH"[: len(panel["queries"])]
    return [f"Value #{letter}" for letter in letters] if len(letters) > 1 else ["Value"]


def build_overrides(panel: Panel) -> Iterator[Json]:
    """Yield what single columns of a table have of their own: a unit, colours, a link to the port."""
    for query in panel["queries"]:
        properties: list[object] = []
        if "unit" in query:
            properties.append({"id": "unit", "value": query["unit"]})
        if "thresholds" in query:
            properties.append({"id": "thresholds", "value": build_thresholds(query)})
            properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
        if properties:
            yield {"matcher": {"id": "byName", "options": query.get("column")}, "properties": properties}
    if "port_name" in panel.get("columns", {}):
        yield {
            "matcher": {"id": "byName", "options": panel["columns"]["port_name"]},
            "properties": [{"id": "links", "value": [PORT_LINK]}],
        }
