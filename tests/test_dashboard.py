"""The dashboard is the one described, keeps the rules of dashboard-linter and asks for what exists."""

from itertools import combinations, pairwise

import promql_parser
import pytest
import yaml

from grafana.generate import FOLDER, GENERATED, read_rows, render
from tests.support.daemon import ROOT
from tests.support.dashboard import Panel, Place, Query, read_dashboard, read_panels, read_queries
from tests.support.promql import KNOWN, find_strangers, walk

PANELS = read_panels()
QUERIES = list(read_queries())
VARIABLES = {variable["name"]: variable for variable in read_dashboard()["templating"]["list"]}
PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {"none", "short", "percentunit", "s", "bytes", "cps", "pps"}
"""Those of Grafana that we need."""
ALERT_LABELS = ("alertname", "alertstate", "severity", "instance", "protocol", "direction", "port")
ASKED = KNOWN | {"ALERTS": ALERT_LABELS}


def name_of(query: Query) -> str:
    return f"{query.panel}-{query.letter}"


def find_bare_counters(expression: str) -> set[str]:
    """Return the counters that are not inside of a rate."""
    rated = {
        str(part.args[0].vector_selector)
        for part in walk(expression)
        if isinstance(part, promql_parser.Call) and part.func.name in {"rate", "increase"}
    }
    selectors = (part for part in walk(expression) if isinstance(part, promql_parser.VectorSelector))
    counters = {str(selector) for selector in selectors if (selector.name or "").endswith("_total")}
    return counters - rated


def test_committed_dashboard_is_the_one_described() -> None:
    """``make golden`` writes it again."""
    assert render() == GENERATED.read_text()


def test_dashboard_can_be_provisioned() -> None:
    """A number or a changeable copy of its own would come into the way of the next version."""
    dashboard = read_dashboard()
    assert dashboard["id"] is None
    assert dashboard["uid"] == "netstat-exporter"
    assert not dashboard["editable"]
    assert dashboard["schemaVersion"] == 39
    assert "__inputs" not in dashboard


def test_data_source_is_chosen() -> None:
    variable = VARIABLES["datasource"]
    assert variable["type"] == "datasource"
    assert variable["label"] == "Data source"
    assert variable["query"] == "prometheus"
    targets = [target for panel in PANELS for target in panel["targets"]]
    annotations = read_dashboard()["annotations"]["list"]
    assert all(asked["datasource"] == PROMETHEUS for asked in (*PANELS, *targets, *annotations))


@pytest.mark.parametrize(("name", "label"), [("job", "Job"), ("instance", "Instance"), ("port_name", "Port")])
def test_variable_is_a_choice_of_many(name: str, label: str) -> None:
    variable = VARIABLES[name]
    assert variable["type"] == "query"
    assert variable["datasource"] == PROMETHEUS
    assert variable["label"] == label
    assert variable["multi"]
    assert variable["allValue"] == ".+"
    assert variable["refresh"] == 2  # when the time range changes
    metric, label_name = variable["query"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
    assert label_name == name
    assert find_strangers(f"count by ({label_name}) ({metric})", ASKED) == set()


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_panel_says_what_it_shows(panel: Panel) -> None:
    assert panel["type"] in {"stat", "timeseries", "table"}
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["targets"]
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_panel_that_may_be_empty_says_what_that_means(panel: Panel) -> None:
    """Of a graph: what is 0 is left out, and so is a destination that takes few ports."""
    queries = [target["expr"] for target in panel["targets"]]
    may_be = any(query.rstrip(")").endswith("> 0") or "busiest" in query for query in queries)
    may_be = may_be and panel["type"] != "table"
    assert may_be <= ("noValue" in panel["fieldConfig"]["defaults"])


@pytest.mark.parametrize("query", QUERIES, ids=name_of)
def test_query_asks_for_what_exists(query: Query) -> None:
    assert find_strangers(query.chosen, ASKED) == set()


@pytest.mark.parametrize("query", QUERIES, ids=name_of)
def test_query_keeps_to_the_chosen_hosts(query: Query) -> None:
    for part in walk(query.expression.replace("$__rate_interval", "5s")):
        if isinstance(part, promql_parser.VectorSelector):
            matchers = {str(matcher) for matcher in part.matchers.matchers}
            assert {'job=~"$job"', 'instance=~"$instance"'} <= matchers


@pytest.mark.parametrize("query", QUERIES, ids=name_of)
def test_counters_are_shown_as_rates_over_what_grafana_finds_right(query: Query) -> None:
    assert find_bare_counters(query.chosen) == set()
    assert query.expression.count("[") == query.expression.count("[$__rate_interval]")


@pytest.mark.parametrize(
    ("expression", "bare"),
    [("sum(rate(a_total[5s])) + b", set()), ("rate(a_total[5s]) / b_total", {"b_total{}"})],
)
def test_bare_counters_are_found(expression: str, bare: set[str]) -> None:
    assert find_bare_counters(expression) == bare


def overlap(one: Place, other: Place) -> bool:
    """Tell whether two places have a field of the grid in common."""
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def test_panels_have_numbers_and_places_of_their_own() -> None:
    panels = read_dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
    for one, other in combinations(panels, 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def test_lines_of_panels_are_full() -> None:
    """Nothing is left empty at the right."""
    for one, following in pairwise(read_dashboard()["panels"]):
        if following["gridPos"]["x"] == 0:
            assert one["gridPos"]["x"] + one["gridPos"]["w"] == 24, one["title"]


def test_thresholds_are_those_of_alerts() -> None:
    """A colour and an alert do not contradict each other."""
    alerts = (ROOT / "prometheus" / "alerts.yml").read_text()
    for row in read_rows():
        for panel in row["panels"]:
            shares = set(panel.get("thresholds", {})) if panel["unit"] == "percentunit" else set()
            for share in shares - {0, 1, 0.667, 0.833}:
                assert f"{share}" in alerts, panel["title"]


def test_provisioning_is_of_the_first_version_of_its_format() -> None:
    kinds = {"datasources": "datasources", "dashboards": "providers"}
    for folder, key in kinds.items():
        (path,) = (FOLDER / "provisioning" / folder).glob("*.yml")
        provisioned = yaml.safe_load(path.read_text())
        assert provisioned["apiVersion"] == 1
        assert provisioned[key]
