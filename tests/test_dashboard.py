"""The dashboards keep the rules of dashboard-linter, ask for what exists, and lead to where they say."""

import re
from itertools import combinations, pairwise
from pathlib import Path

import promql_parser
import pytest
import yaml

from tests.support.daemon import ROOT
from tests.support.dashboard import (
    FILES,
    FLEET,
    FOLDER,
    HOST,
    Panel,
    Place,
    Query,
    read_dashboard,
    read_panels,
    read_queries,
)
from tests.support.promql import CONTRACT, KNOWN, RECORDED, find_selectors, find_strangers, walk

PANELS = {path: read_panels(path) for path in FILES}
QUERIES = [query for path in FILES for query in read_queries(path)]
PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {"none", "short", "percentunit", "s", "bytes", "cps", "pps", "ops", "Bps", "dateTimeFromNow"}
"""Those of Grafana that we need."""
ALERT_LABELS = (
    "alertname",
    "alertstate",
    "severity",
    "instance",
    "netns",
    "owner",
    "protocol",
    "direction",
    "port",
)
ASKED = KNOWN | dict.fromkeys(("ALERTS", "ALERTS_FOR_STATE"), ALERT_LABELS)
SMALL = {"ALERTS", "netstat_exporter_build_info"}
"""What a fleet has few series of though no rule records them."""
NOT_SHOWN = {
    "netstat_exporter_last_pass_timestamp_seconds",  # netstat_exporter_snapshot_age_seconds needs no clock
    "process_max_fds",  # those of the exporter itself
    "process_open_fds",
}

of_all = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
of_panels = pytest.mark.parametrize(
    "panel",
    [pytest.param(panel, id=f"{path.stem}-{panel['title']}") for path in FILES for panel in PANELS[path]],
)
of_queries = pytest.mark.parametrize("query", QUERIES, ids=str)


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


def find_metrics(expression: str) -> set[str]:
    """Return the metrics that an expression rests on, through recorded series as well."""
    found = {selector.metric for selector in find_selectors(expression)}
    recorded = {metric for metric in found if metric in RECORDED}
    return found | {each for metric in recorded for each in find_metrics_of_record(metric)}


def find_metrics_of_record(name: str) -> set[str]:
    """Return the metrics that a recorded series rests on; one may rest on itself."""
    direct = {selector.metric for selector in find_selectors(RECORDED[name])}
    return direct | {
        each for other in direct - {name} if other in RECORDED for each in find_metrics_of_record(other)
    }


@of_all
def test_dashboard_can_be_provisioned(path: Path) -> None:
    """A number or a changeable copy of its own would come into the way of the next version."""
    dashboard = read_dashboard(path)
    assert dashboard["id"] is None
    assert dashboard["uid"] == path.stem
    assert not dashboard["editable"]
    assert dashboard["schemaVersion"] == 39
    assert "__inputs" not in dashboard


@of_all
def test_data_source_is_chosen(path: Path) -> None:
    variable, *_ = read_dashboard(path)["templating"]["list"]
    assert variable["type"] == variable["name"] == "datasource"
    assert variable["label"] == "Data source"
    assert variable["query"] == "prometheus"
    targets = [target for panel in PANELS[path] for target in panel.get("targets", [])]
    annotations = read_dashboard(path)["annotations"]["list"]
    assert all(asked["datasource"] == PROMETHEUS for asked in (*PANELS[path], *targets, *annotations))


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (HOST, {"cluster": ".*", "job": ".+", "instance": ".+", "netns": ".*", "port_name": ".+"}),
        (FLEET, {"cluster": ".*", "job": ".+", "instance": ".+"}),
    ],
    ids=["host", "fleet"],
)
def test_variables_are_choices_of_many(path: Path, names: dict[str, str]) -> None:
    """All of a label that a target may lack is everything, all of another is something."""
    variables = {each["name"]: each for each in read_dashboard(path)["templating"]["list"]}
    assert set(variables) == {"datasource", *names}
    for name, everything in names.items():
        variable = variables[name]
        assert variable["type"] == "query"
        assert variable["datasource"] == PROMETHEUS
        assert variable["label"]
        assert variable["multi"]
        assert variable["allValue"] == everything
        assert variable["refresh"] == 2  # when the time range changes
        metric, label = variable["query"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
        assert label == name
        assert find_strangers(f"count by ({label}) ({metric})", ASKED) == set()


@of_panels
def test_panel_says_what_it_shows(panel: Panel) -> None:
    assert panel["type"] in {"stat", "timeseries", "table"}
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["targets"]
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS


@of_panels
def test_panel_that_may_be_empty_says_what_that_means(panel: Panel) -> None:
    """Of a graph: what is 0 is left out, and so is a destination that takes few ports."""
    queries = [target["expr"] for target in panel["targets"]]
    may_be = any(query.rstrip(")").endswith("> 0") or "busiest" in query for query in queries)
    may_be = may_be and panel["type"] != "table"
    assert may_be <= ("noValue" in panel["fieldConfig"]["defaults"])


@of_panels
def test_number_that_is_gone_is_not_shown(panel: Panel) -> None:
    """A stat has its history behind it, and of that the last is now, or nothing."""
    if panel["type"] == "stat":
        assert panel["options"]["reduceOptions"]["calcs"] == ["last"]
        assert all(target["expr"].endswith("or vector(NaN)") for target in panel["targets"])


@of_queries
def test_query_asks_for_what_exists(query: Query) -> None:
    assert find_strangers(query.chosen, ASKED) == set()


@of_queries
def test_query_keeps_to_the_chosen_hosts(query: Query) -> None:
    """Series of a whole job have no instance."""
    for part in walk(query.expression.replace("$__rate_interval", "5s")):
        if isinstance(part, promql_parser.VectorSelector):
            matchers = {str(matcher) for matcher in part.matchers.matchers}
            expected = {'cluster=~"$cluster"', 'job=~"$job"', 'instance=~"$instance"'}
            if (part.name or "").startswith("job"):
                expected.remove('instance=~"$instance"')
            assert expected <= matchers


@of_queries
def test_query_counts_no_foreign_target(query: Query) -> None:
    """A Prometheus is shared: up and process_* are of every target."""
    foreign = any(re.match(r"up$|process_", each.metric) for each in find_selectors(query.chosen))
    assert foreign <= ("and on (cluster, job, instance) netstat_exporter_build_info" in query.expression)


@of_queries
def test_counters_are_shown_as_rates_over_what_grafana_finds_right(query: Query) -> None:
    assert find_bare_counters(query.chosen) == set()
    assert query.expression.count("[") == query.expression.count("[$__rate_interval]")


@pytest.mark.parametrize(
    ("expression", "bare"),
    [("sum(rate(a_total[5s])) + b", set()), ("rate(a_total[5s]) / b_total", {"b_total{}"})],
)
def test_bare_counters_are_found(expression: str, bare: set[str]) -> None:
    assert find_bare_counters(expression) == bare


def test_every_metric_is_on_a_panel() -> None:
    shown = {metric for query in QUERIES for metric in find_metrics(query.chosen)}
    assert set(CONTRACT) - shown == NOT_SHOWN


@pytest.mark.parametrize("query", [query for query in QUERIES if query.dashboard == FLEET.stem], ids=str)
def test_fleet_asks_for_little(query: Query) -> None:
    """A thousand hosts have a few recorded series each; what is listed by host is the worst of them."""
    assert {each.metric for each in find_selectors(query.chosen)} <= RECORDED.keys() | SMALL
    by_host = any(
        isinstance(part, promql_parser.AggregateExpr) and part.modifier and "instance" in part.modifier.labels
        for part in walk(query.chosen)
    )
    counts_hosts = query.expression.startswith("(count(")
    assert by_host <= ("topk(" in query.expression or counts_hosts)


def read_links() -> list[str]:
    """Return every address that a dashboard links to, and those of its tables."""
    links = [link["url"] for path in FILES for link in read_dashboard(path)["links"]]
    for panel in (panel for path in FILES for panel in PANELS[path]):
        for override in panel["fieldConfig"]["overrides"]:
            for each in override["properties"]:
                if each["id"] == "links":
                    assert isinstance(each["value"], list)
                    links += [link["url"] for link in each["value"]]
    return links


def test_links_lead_to_what_there_is() -> None:
    """A dashboard of ours with its variables, a document, or the exporter's own page."""
    variables = {
        read_dashboard(path)["uid"]: {each["name"] for each in read_dashboard(path)["templating"]["list"]}
        for path in FILES
    }
    for link in read_links():
        if found := re.match(r"/d/([\w-]+)\?(.+)$", link):
            set_there = set(re.findall(r"var-(\w+)=|\$\{(\w+):queryparam\}", found[2]))
            assert {"".join(each) for each in set_there} <= variables[found[1]]
        elif found := re.match(
            r"https://github.com/[\w/-]+/blob/main/(.+?)(/\$\{__value\.text\}\.md)?$", link
        ):
            assert (ROOT / found[1]).exists()
        else:
            assert link == "http://${__value.text}/"


def overlap(one: Place, other: Place) -> bool:
    """Tell whether two places have a field of the grid in common."""
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


@of_all
def test_panels_have_numbers_and_places_of_their_own(path: Path) -> None:
    panels = read_dashboard(path)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
    for one, other in combinations(panels, 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


@of_all
def test_lines_of_panels_are_full(path: Path) -> None:
    """Nothing is left empty at the right."""
    for one, following in pairwise(read_dashboard(path)["panels"]):
        if following["gridPos"]["x"] == 0:
            assert one["gridPos"]["x"] + one["gridPos"]["w"] == 24, one["title"]


def test_provisioning_is_of_the_first_version_of_its_format() -> None:
    kinds = {"datasources": "datasources", "dashboards": "providers"}
    for folder, key in kinds.items():
        (path,) = (FOLDER / "provisioning" / folder).glob("*.yml")
        provisioned = yaml.safe_load(path.read_text())
        assert provisioned["apiVersion"] == 1
        assert provisioned[key]
