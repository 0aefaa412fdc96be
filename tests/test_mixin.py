"""The mixin renders, and refuses a configuration that is not one."""

import json
from pathlib import Path

import pytest

from mixin.render import ROOT, MixinError, evaluate, main, read_config, render

EXPECTED_SELECTOR = 'a list of matchers of labels of targets, such as job="netstat", cluster=~"prod.*"'


def test_committed_files_are_those_of_the_mixin() -> None:
    """``make golden`` writes them again."""
    for path, text in render(evaluate()):
        assert text == (ROOT / path).read_text()


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("selector", value, EXPECTED_SELECTOR)
        for value in (
            "job",
            "job=netstat",
            'job=="a"',
            'job="a",',
            ',job="a"',
            'a b="c"',
            'job="`"',
            'job="a" x',
            'pod="a"',
            1,
        )
    ]
    + [
        ("clusterLabel", value, "the name of a label of targets")
        for value in ("", "1a", "a-b", "__a", "port", None)
    ]
    + [
        ("runbookUrl", value, "an address that begins with https:// or http://, without a slash at its end")
        for value in ("ftp://a", "https://a/", "https://a b", "docs")
    ]
    + [("dashboardTags", value, "a list of words") for value in ("a", [1], ["a b"])]
    + [
        (key, value, "a word of at most 40 letters, digits, - and _")
        for key in ("hostDashboardUid", "fleetDashboardUid")
        for value in ("", "a b", "a" * 41, 7)
    ],
)
def test_value_that_is_not_accepted_is_named_with_what_is(key: str, value: object, expected: str) -> None:
    with pytest.raises(MixinError) as error:
        evaluate(json.dumps({key: value}))
    assert f"{key}: {json.dumps(value)} is not {expected}" == str(error.value)


@pytest.mark.parametrize("selector", ["", 'job="a"', r'job=~"a.*", cluster!="p\"r,o"', 'job!~"a"'])
def test_selector_is_matchers(selector: str) -> None:
    evaluate(json.dumps({"selector": selector}))


def test_every_problem_is_named() -> None:
    with pytest.raises(MixinError) as error:
        evaluate('{clusterlabel: "a", runbookUrl: "docs"}')
    unknown, wrong = str(error.value).splitlines()
    assert "clusterlabel: unknown key; mixin/config.libsonnet has all of them" == unknown
    assert wrong.startswith("runbookUrl: ")


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
    assert 0 == main([f"--config={path}", f"--output={tmp_path}"])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("config.yaml", "[1]", "not a mapping of keys to values"),
        ("config.yaml", "a: [", "while parsing"),
        ("config.jsonnet", "{ clusterLabel: zone }", "Unknown variable: zone"),
        ("config.jsonnet", "1", "not a mapping of keys to values"),
    ],
)
def test_file_that_is_no_configuration_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, said: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert 2 == main([f"--config={path}", f"--output={tmp_path / 'out'}"])
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MixinError, match=r"absent\.yaml"):
        read_config(tmp_path / "absent.yaml")
