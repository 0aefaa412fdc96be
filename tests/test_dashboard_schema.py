"""Grafana's own schema has all that the dashboards say; ``make schema`` asks older ones as well."""

from pathlib import Path

import pytest

from tests.support.dashboard import FILES, read_dashboard
from tests.support.grafana_schema import find_faults


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_dashboard_is_of_grafanas_schema(path: Path) -> None:
    assert find_faults(read_dashboard(path)) == []


def test_what_is_not_is_found() -> None:
    dashboard = {
        "title": "broken",
        "panels": [
            {
                "type": "stat",
                "options": {"graphMode": "lots", "sparkle": True},
                "fieldConfig": {"defaults": {"min": "0"}},
            }
        ],
        "templating": {"list": [{"name": "job", "type": "query", "multi": "yes"}]},
    }
    faults = [fault.partition(": ")[0] for fault in find_faults(dashboard)]
    assert faults == [
        "/panels/*/options/sparkle",
        "/panels/*/options/graph_mode",
        "/panels/*/field_config/defaults/min_val",
        "/templating/list_val/*/multi",
    ]
