"""The rules are valid, name what exists, and keep what tells targets apart."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from tests.support.daemon import ROOT
from tests.support.promql import (
    CONTRACT,
    KNOWN,
    RECORDED,
    find_fixed_labels,
    find_offsets,
    find_strangers,
    find_windows,
    has_full_windows,
)
from tests.support.rules import (
    ALERTS,
    FOLDER,
    OPTIONAL,
    RULES,
    SOURCES,
    Rule,
    assert_promtool_accepts,
    name_of,
)

RUNBOOKS = "https://github.com/netstat-exporter/netstat-exporter/blob/main/docs/runbooks/"
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])


def test_promtool_accepts_the_rules() -> None:
    assert_promtool_accepts("check", "rules", "--lint=all", "--lint-fatal", *SOURCES, OPTIONAL)


def test_promtool_accepts_the_scrape_configuration() -> None:
    assert_promtool_accepts("check", "config", FOLDER / "scrape.example.yml")


@pytest.mark.parametrize(
    ("expression", "strangers"),
    [
        ('sum by (instance, port) (rate(netstat_sockets{state="a{b}", job="c"}[5m] offset 1h)) > 0', set()),
        ("netstat_sockets unless on (instance) up == 0 or netstat_socks", {"netstat_socks"}),
        ('netstat_sockets{zone="a"} * on (port) group_left (rack) up', {"netstat_sockets.zone", "rack"}),
        ('abs(netstat_exporter_table_rows{port!~"tcp"}) # of no port', {"netstat_exporter_table_rows.port"}),
    ],
)
def test_strangers_are_found(expression: str, strangers: set[str]) -> None:
    assert strangers == find_strangers(expression, CONTRACT)


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_rule_names_metrics_and_labels_that_exist(rule: Rule) -> None:
    assert find_strangers(rule["expr"], KNOWN) == set()


@pytest.mark.parametrize(
    ("expression", "fixed"),
    [
        ("sum by (instance) (a) / on (job) b", {"instance", "job"}),
        ("sum without (family) (a) / ignoring (port) group_left () b", set()),
    ],
)
def test_fixed_labels_are_found(expression: str, fixed: set[str]) -> None:
    assert fixed == find_fixed_labels(expression)


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_rule_keeps_the_labels_of_targets(rule: Rule) -> None:
    """cluster, region and whatever else a fleet has."""
    assert find_fixed_labels(rule["expr"]) == set()


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_windows_are_full(rule: Rule) -> None:
    assert has_full_windows(rule)


@pytest.mark.parametrize(
    ("expression", "windows", "offsets"),
    [
        ("min_over_time(a[15m]) > 0 and a offset 1h", [15], [60]),
        ("max_over_time(a[15m] offset 1h) < rate(b[5m])", [], []),
        ("predict_linear(a[30m], 7200) > 1", [30], []),
    ],
)
def test_windows_and_offsets_are_found(expression: str, windows: list[int], offsets: list[int]) -> None:
    assert [timedelta(minutes=window) for window in windows] == list(find_windows(expression))
    assert [timedelta(minutes=offset) for offset in offsets] == list(find_offsets(expression))


@pytest.mark.parametrize("alert", ALERTS, ids=name_of)
def test_alert_compares_nothing_over_labels_that_change(alert: Rule) -> None:
    """What has a port_name is looked at over time only when recorded without it, or aggregated at once."""
    aggregated = r"without \([^)]*port_name[^)]*\) \(\s*\w+_over_time\([^)]*\)"
    compared = re.sub(aggregated, "", alert["expr"])
    for metric in re.findall(r"(\w[\w:]*)(?:\{[^}]*\})?(?:\[\w+\]| offset)", compared):
        assert metric in RECORDED or "port_name" not in CONTRACT[metric]


@pytest.mark.parametrize("alert", ALERTS, ids=name_of)
def test_alert_says_what_to_do_where(alert: Rule) -> None:
    annotations = alert["annotations"]
    assert re.fullmatch(r"Netstat([A-Z][a-z]+)+", alert["alert"])
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert "for" in alert
    assert "{{" not in annotations["summary"]
    assert (
        "{{ $labels.instance }}{{ with $labels.cluster }} (cluster {{ . }}){{ end }}"
        in annotations["description"]
    )
    assert f"{RUNBOOKS}{alert['alert']}.md" == annotations["runbook_url"]


@pytest.mark.parametrize("alert", ALERTS, ids=name_of)
def test_alert_asks_only_its_own_target(alert: Rule) -> None:
    """Its queries have every label that tells targets apart; %q of a missing label matches its absence."""
    own = ["job", "instance", "cluster", "region", "netns"]
    for query, arguments in re.findall(
        r"printf `([^`]*)`\s+(.*?)\s*\|", alert["annotations"]["description"], re.DOTALL
    ):
        placed = re.findall(r"(\w+)(?:=|!=)%q", query)
        given = [argument.removeprefix("$labels.") for argument in arguments.split()]
        assert own == placed[:5]
        assert [name.replace("port_name", "port") for name in placed] == given
        assert find_strangers(query.replace("%q", '""'), CONTRACT) == set()


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_series_say_their_level_metric_and_operation(name: str) -> None:
    level, metric, operation = name.split(":")
    target, *labels = level.split("_")
    assert target in {"instance", "job"}
    assert set(labels) <= {"port", "state", "protocol", "owner", "resource"}
    assert (
        metric in CONTRACT or f"{metric}_total" in CONTRACT or name == "instance_resource:netstat_used:ratio"
    )
    assert operation in {
        "sum",
        "max",
        "min",
        "ratio",
        "ratio_max",
        "rate5m",
        "min1h",
        "predict4h",
        "exporters",
    }


def find_queries(document: Path) -> Iterator[str]:
    """Yield the queries in a document: PromQL, set apart by empty lines."""
    for block in re.findall(r"```promql\n(.*?)```", document.read_text(), re.DOTALL):
        yield from re.split(r"\n\s*\n", block.strip())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_queries_in_a_document_are_valid(document: Path, tmp_path: Path) -> None:
    queries = list(find_queries(document))
    for query in queries:
        assert find_strangers(query, KNOWN) == set()
    rules = [{"record": f"job:query{number}:none", "expr": query} for number, query in enumerate(queries)]
    if rules:
        path = tmp_path / "rules.yml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
        assert_promtool_accepts("check", "rules", path)
