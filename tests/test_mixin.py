"""The mixin renders what is committed, each key of its configuration has an effect, bad ones are refused."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _jsonnet
import pytest

from mixin.render import FOLDER as MIXIN
from mixin.render import ROOT, MixinError, Rendered, evaluate, main, read_config, render
from tests.support import requirements
from tests.support.promql import CONTRACT, Selector, find_selectors, has_full_windows
from tests.support.rules import FOLDER, Rule, assert_promtool_accepts, name_of, write_test

SELECTOR = 'job="netstat", tenant=~"a|b"'
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def ask_jsonnet(expression: str) -> dict[str, Any]:
    """Return the object that jsonnet makes of an expression."""
    made: dict[str, Any] = json.loads(_jsonnet.evaluate_snippet("ask", expression, jpathdir=[str(MIXIN)]))
    return made


BOUNDS = ask_jsonnet("(import 'bounds.libsonnet').bounds")
DEFAULTS = ask_jsonnet("(import 'config.libsonnet') { config: self._config }")["config"]
NUMBERS = {key: bounds for key, bounds in BOUNDS.items() if isinstance(bounds.get("low"), float | int)}
DURATIONS = {key: bounds for key, bounds in BOUNDS.items() if isinstance(bounds.get("low"), str)}
WORDS = {
    "selector": SELECTOR,
    "upSelector": 'instance=~".*:9068"',
    "clusterLabel": "zone",
    "docsUrl": "https://docs.example",
    "runbookUrl": "https://runbooks.example",
    "criticalSeverity": "page",
    "warningSeverity": "ticket",
    "dashboardTags": ["tagged"],
    "hostDashboardUid": "uid-of-host",
    "fleetDashboardUid": "uid-of-fleet",
}
OF_DASHBOARDS = {"docsUrl", "dashboardTags", "hostDashboardUid", "fleetDashboardUid"}


def read_seconds(duration: str) -> int:
    return int(duration[:-1]) * SECONDS[duration[-1]]


def change(number: int, key: str) -> object:
    """Return an accepted value of a key that no other key has."""
    if key in DURATIONS:
        return f"{read_seconds(DURATIONS[key]['low']) + 1 + number}s"
    if key in NUMBERS:
        low, high = NUMBERS[key]["low"], NUMBERS[key]["high"]
        return round(low + min(high - low, 1) * (0.5 + number / 1009), 6)
    return WORDS[key]


CHANGED = {key: change(number, key) for number, key in enumerate(BOUNDS)}


def rules_of(rendered: Rendered) -> list[Rule]:
    """Return all rules."""
    kinds = ("alerts", "recording", "optional")
    return [rule for kind in kinds for group in rendered[kind]["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def changed() -> Rendered:
    """Render with another value for every key."""
    return evaluate(json.dumps(CHANGED))


def write_rules(folder: Path, rendered: Rendered) -> list[Path]:
    """Write all files, and return those for Prometheus."""
    for path, text in render(rendered):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return sorted(folder.glob("prometheus/*.yml"))


def test_committed_files_are_those_of_the_mixin() -> None:
    """``make golden`` writes them again."""
    for path, text in render(evaluate()):
        assert text == (ROOT / path).read_text()


def test_every_key_has_bounds() -> None:
    assert set(DEFAULTS) == set(BOUNDS)


def test_every_key_has_a_comment() -> None:
    """Or stands below one, as a duration and the threshold of what is critical do."""
    for paragraph in (MIXIN / "config.libsonnet").read_text().split("\n\n"):
        assert "//" in paragraph


def test_every_key_changes_what_is_rendered(changed: Rendered) -> None:
    """Its value, which no other key has, is found there."""
    assert len(CHANGED) == len({json.dumps(value) for value in CHANGED.values()})
    text = json.dumps({kind: changed[kind] for kind in changed if kind != "dashboards"})
    texts = {key: json.dumps(changed) if key in OF_DASHBOARDS else text for key in CHANGED}
    looked_for = {key: re.escape(json.dumps(value).strip('"[]')) for key, value in CHANGED.items()}
    dead = {
        key for key, value in looked_for.items() if not re.search(rf"(?<![\d.]){value}(?![\d.])", texts[key])
    }
    assert dead - (set() if changed["dashboards"] else OF_DASHBOARDS) == set()


def find_lowest_and_highest() -> Iterator[object]:
    """Yield configurations of values that are just accepted."""
    yield {key: bounds["low"] for key, bounds in DURATIONS.items()} | {
        key: bounds["high"] for key, bounds in NUMBERS.items()
    }


@pytest.mark.parametrize("config", [CHANGED, *find_lowest_and_highest()], ids=["changed", "extreme"])
def test_promtool_accepts_the_rules_of_another_configuration(config: object, tmp_path: Path) -> None:
    rendered = evaluate(json.dumps(config))
    assert_promtool_accepts("check", "rules", "--lint=all", "--lint-fatal", *write_rules(tmp_path, rendered))
    assert [] == [name_of(rule) for rule in rules_of(rendered) if not has_full_windows(rule)]


def find_asked(rule: Rule) -> Iterator[Selector]:
    """Yield every metric that a rule reads, in its expression and in its texts."""
    yield from find_selectors(rule["expr"])
    for query in re.findall(r"printf `([^`]*)`", str(rule.get("annotations"))):
        if query not in {"%.0f", "%.1f", "%.2f"}:
            yield from find_selectors(query.replace("%q", '""'))


def test_every_metric_is_selected(changed: Rendered) -> None:
    (reference,) = find_selectors(f"up{{{SELECTOR}}}")
    for rule in rules_of(changed):
        for selector in find_asked(rule):
            assert set(reference.matchers) <= set(selector.matchers)


def test_texts_have_the_label_of_clusters(changed: Rendered) -> None:
    for rule in rules_of(changed):
        assert "cluster=" not in str(rule)
        assert "$labels.cluster" not in str(rule)
        if "alert" in rule:
            assert "{{ $labels.instance }}{{ with $labels.zone }} (cluster {{ . }}){{ end }}" in str(rule)


def test_cases_pass_with_another_label_of_clusters_and_a_selector(tmp_path: Path) -> None:
    rendered = evaluate(json.dumps({"clusterLabel": "zone", "selector": 'job="netstat", zone=~"prod|test"'}))
    cases = (FOLDER / "tests" / "memory.yml").read_text()
    cases = cases.replace('cluster="', 'zone="').replace("cluster: ", "zone: ")
    assert_promtool_accepts("test", "rules", write_test(tmp_path, rendered["alerts"]["groups"], cases))


def problems_of(config: object) -> list[str]:
    """Return what is wrong with a configuration."""
    with pytest.raises(MixinError) as error:
        evaluate(json.dumps(config))
    return str(error.value).splitlines()


def expect(key: str, value: object) -> str:
    """Return what is said of a value that is not accepted."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    shown = f"{value:.12g}" if is_number else json.dumps(value)
    return f"{key}: {shown} is not {BOUNDS[key]['expected']}"


def wrong_values(key: str) -> list[object]:
    """Return values that are not accepted: the first two are just out of bounds."""
    if key in NUMBERS:
        return [NUMBERS[key]["low"] - 1, NUMBERS[key]["high"] + 1, "20", None, True]
    if key in DURATIONS:
        low, high = (read_seconds(DURATIONS[key][bound]) for bound in ("low", "high"))
        return [f"{low - 1}s", f"{high + 1}s", 900, "15", "1h30m"]
    values: dict[str, list[object]] = {
        "selector": ["job", "job=netstat", 'job="a",', ',job="a"', 'a b="c"'],
        "upSelector": ['job=="a"', 'job="`"', 'job="a" x', 'pod="a"', 1],
        "clusterLabel": ["", "1a", "a-b", "__a", "port"],
        "docsUrl": ["docs", "ftp://a", 1, "", "https://a\n"],
        "runbookUrl": ["https://a/", "https://a b", None, "https://{a}", 'https://"'],
        "dashboardTags": ["a", [1], ["a b"], None, [""]],
        "criticalSeverity": ["", "a b", "1", 1, None],
        "warningSeverity": ["1", "!", "-a", 2, ["a"]],
    }
    return values.get(key, ["", "a b", "a" * 41, 7, None])


@pytest.mark.parametrize("number", range(5))
def test_value_that_is_not_accepted_is_named_with_what_is(number: int) -> None:
    wrong = {key: wrong_values(key)[number] for key in BOUNDS}
    assert sorted(expect(key, value) for key, value in wrong.items()) == sorted(problems_of(wrong))


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"clusterlabel": "zone"}, "clusterlabel: unknown key; mixin/config.libsonnet has all of them"),
        ({"upSelector": ""}, "upSelector: it is needed, as the selector names no job"),
        (
            {"warningSeverity": "critical"},
            "criticalSeverity: it is the same as warningSeverity, so that two alerts would be one",
        ),
    ],
)
def test_keys_that_do_not_go_together_are_named(config: object, problem: str) -> None:
    assert [problem] == problems_of(config)


def test_selectors_know_the_labels_of_series() -> None:
    """A label of a series is missing in other series, so no rule can be narrowed by it."""
    labels = {label for labels in CONTRACT.values() for label in labels} | {"exported_owner"}
    wrong = [f'{label}="a"' for label in sorted(labels)]
    made = ask_jsonnet(
        f"{{ verdicts: std.map((import 'kinds.libsonnet').selector.accepts, {json.dumps(wrong)}) }}"
    )
    assert {False} == set(made["verdicts"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.yaml", "clusterLabel: zone"),
        ("config.json", '{"clusterLabel": "zone"}'),
        ("config.jsonnet", "local label = 'zone'; { clusterLabel: label }"),
        ("empty.yaml", "# nothing"),
    ],
)
def test_configuration_is_a_file_of_one_of_three_formats(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    made = ask_jsonnet(read_config(path))
    assert made == ({} if name == "empty.yaml" else {"clusterLabel": "zone"})


def test_files_are_written_below_a_folder(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("{runbookUrl: 'https://runbooks.example', closeWaitLeakSockets: 40}")
    assert 0 == main([f"--config={config}", f"--output={tmp_path / 'rules'}"])
    text = (tmp_path / "rules" / "prometheus" / "alerts.yml").read_text()
    assert "runbook_url: https://runbooks.example/NetstatCloseWaitLeak.md\n" in text
    assert 'state="close_wait", port!="other"}[15m]) > 40\n' in text


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("config.yaml", "[1]", "not a mapping of keys to values"),
        ("config.yaml", "a: [", "while parsing"),
        ("config.jsonnet", "{ clusterLabel: zone }", "Unknown variable: zone"),
        ("config.jsonnet", "1", "not a mapping of keys to values"),
        ("absent.yaml", None, "No such file or directory"),
        ("absent.jsonnet", None, "absent.jsonnet"),
    ],
)
def test_file_that_is_no_configuration_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str | None, said: str
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    assert 2 == main([f"--config={path}", f"--output={tmp_path / 'out'}"])
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def read_block(language: str, number: int = 0) -> str:
    """Return what README shows of a language."""
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", (MIXIN / "README.md").read_text(), re.DOTALL)
    return found[number]


def test_commands_of_the_readme_run(tmp_path: Path) -> None:
    """As they stand, in a clone; the packages are there."""
    (tmp_path / "mixin").symlink_to(MIXIN)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "netstat-mixin.yaml").write_text(read_block("yaml"))
    commands = read_block("sh").splitlines()[2:] + read_block("sh", 1).splitlines()
    requirements.require_command("promtool", "prometheus")
    for command in commands:
        subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, check=True, capture_output=True, env=ENVIRONMENT
        )
    assert "severity: ticket" in (tmp_path / "rendered" / "prometheus" / "alerts.yml").read_text()


def test_errors_of_the_readme_are_those_that_are_shown() -> None:
    shown = re.findall(r"^close.*", (MIXIN / "README.md").read_text(), re.MULTILINE)
    errors = [line for line in shown if " is not " in line]
    assert sorted(errors) == sorted(problems_of({"closeWaitLeakSockets": 0, "closeWaitLeakFor": "5m"}))


def test_jsonnet_of_the_readme_makes_all_files(tmp_path: Path) -> None:
    """With Debian's jsonnet, the oldest that renders it, and what jsonnet-bundler would have brought."""
    requirements.require_command("jsonnet", "jsonnet")
    vendored = tmp_path / "vendor" / "github.com" / "netstat-exporter" / "netstat-exporter"
    vendored.mkdir(parents=True)
    (vendored / "mixin").symlink_to(MIXIN)
    (tmp_path / "netstat.jsonnet").write_text(read_block("jsonnet"))
    for command in read_block("sh", 3).splitlines():
        subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, capture_output=True)
    rendered = tmp_path / "rendered"
    assert_promtool_accepts("check", "rules", rendered / "alerts.json", rendered / "rules.json")
    alerts = json.loads((rendered / "alerts.json").read_text())
    assert {"netstat-leaks", "netstat-optional"} <= {group["name"] for group in alerts["groups"]}
    assert 'netstat_stuck_sockets{job="netstat", netns=""}' in str(alerts)
    assert {path.name for path in (ROOT / "grafana").glob("*.json")} <= {
        path.name for path in rendered.iterdir()
    }


def test_jsonnet_of_debian_names_what_is_not_accepted() -> None:
    jsonnet = requirements.require_command("jsonnet", "jsonnet")
    changed = "(import 'mixin.libsonnet') + { _config+:: { closeWaitLeakSockets: 0, ports: 1 } }"
    command = [jsonnet, "--jpath", str(MIXIN), "--exec", changed]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "ports: unknown key; mixin/config.libsonnet has all of them\n" in run.stderr
    assert "closeWaitLeakSockets: 0 is not a number from 1 to 1000000\n" in run.stderr
