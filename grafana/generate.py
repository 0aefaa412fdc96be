"""Write the dashboard that Grafana loads from dashboard.yaml, which people read.

``python -m grafana.generate`` writes; the tests compare. The format is that of Grafana 10.3; see
https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypedDict

import yaml

from grafana.panels import DATA_SOURCE, TARGET, UID, Json, Panel, build_panel

FOLDER: Final = Path(__file__).parent
SOURCE: Final = FOLDER / "dashboard.yaml"
GENERATED: Final = FOLDER / "netstat-exporter.json"
PROJECT: Final = "https://github.com/netstat-exporter/netstat-exporter"
FIRING: Final = f'ALERTS{{alertname=~"Netstat.+", alertstate="firing", {TARGET}}}'
GRID_COLUMNS: Final = 24


class Row(TypedDict):
    """Panels under one question; ``height`` is that of those that do not say theirs."""

    row: str
    height: int
    panels: list[Panel]


def read_rows() -> list[Row]:
    """Return what dashboard.yaml says."""
    rows: list[Row] = yaml.safe_load(SOURCE.read_text())
    return rows


def render() -> str:
    """Return the dashboard as JSON."""
    return json.dumps(build_dashboard(read_rows()), indent=2, ensure_ascii=False) + "\n"


def build_dashboard(rows: Sequence[Row]) -> Json:
    """Return the dashboard of these rows."""
    return {
        "id": None,
        "uid": UID,
        "title": "netstat-exporter",
        "description": "The kernel's sockets: who leaks, what runs out, what the traffic is like.",
        "tags": ["netstat-exporter", "network", "sockets"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "links": [
            {"type": "link", "title": title, "url": PROJECT + path, "icon": icon, "targetBlank": True}
            for title, path, icon in (
                ("Metrics", "/blob/main/docs/metrics.md", "doc"),
                ("Runbooks", "/tree/main/docs/runbooks", "question"),
            )
        ],
        "annotations": {"list": [build_annotation()]},
        "templating": {"list": list(build_variables())},
        "panels": list(place_panels(rows)),
    }


def build_annotation() -> Json:
    """Return the mark that every graph has where an alert fires."""
    return {
        "name": "Alerts",
        "enable": True,
        "datasource": DATA_SOURCE,
        "expr": FIRING,
        "step": "60s",
        "iconColor": "red",
        "titleFormat": "{{alertname}}",
        "textFormat": "{{instance}} {{protocol}} {{direction}} {{port}}",
        "tagKeys": "severity",
    }


def build_variables() -> Iterator[Json]:
    """Yield what is chosen at the top of the dashboard."""
    yield {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    for name, label, metric in (
        ("job", "Job", "netstat_exporter_build_info"),
        ("instance", "Instance", 'netstat_exporter_build_info{job=~"$job"}'),
        ("port_name", "Port", f"netstat_sockets{{{TARGET}}}"),
    ):
        yield {
            "name": name,
            "label": label,
            "type": "query",
            "datasource": DATA_SOURCE,
            "query": f"label_values({metric}, {name})",
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".+",
            "current": {"text": ["All"], "value": ["$__all"]},
        }


def place_panels(rows: Sequence[Row]) -> Iterator[Json]:
    """Yield headings and panels at their places: from left to right, one line below the other."""
    number, y = 1, 0
    for row in rows:
        place = {"x": 0, "y": y, "w": GRID_COLUMNS, "h": 1}
        yield {
            "id": number,
            "type": "row",
            "title": row["row"],
            "collapsed": False,
            "gridPos": place,
            "panels": [],
        }
        number, x, y, line_height = number + 1, 0, y + 1, 0
        for panel in row["panels"]:
            if x + panel["width"] > GRID_COLUMNS:
                x, y, line_height = 0, y + line_height, 0
            height = panel.get("height", row["height"])
            place = {"x": x, "y": y, "w": panel["width"], "h": height}
            yield {"id": number, **build_panel(panel), "gridPos": place}
            number, x, line_height = number + 1, x + panel["width"], max(line_height, height)
        y += line_height


def main() -> None:
    """Write the generated file."""
    GENERATED.write_text(render())


if __name__ == "__main__":
    main()
