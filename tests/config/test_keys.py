"""A field of a dataclass is a key: its name, reader and default are read from there and nowhere else."""

from dataclasses import dataclass

import pytest

from exporter.config.keys import ENABLED, key, keys_of, list_values, read_section, section
from exporter.config.nodes import read_yaml
from exporter.config.settings import Peaks, Ports, Settings
from exporter.config.values import Reader, read_flag, read_number


@dataclass(frozen=True, slots=True)
class Inner:
    """A section with a switch."""

    enabled: bool = key(ENABLED, read_flag, default=True)
    limit: int = key("limit", read_number(1, 9), 5)


@dataclass(frozen=True, slots=True)
class Outer:
    """A tree of two levels."""

    some_number: int = key("number", read_number(1, 9), 1)
    inner: Inner = section("inner", Inner)


def read(content: str, **moved: str) -> tuple[Outer, list[str]]:
    """Return what is read, and what is wrong with it."""
    reader = Reader({path.replace("__", "."): now for path, now in moved.items()})
    return read_section(Outer)(reader, read_yaml(content.encode()), ""), reader.messages("c")


def test_keys_are_those_of_the_fields() -> None:
    assert ["number", "inner"] == list(keys_of(Outer))
    assert read("number: 2\ninner: {limit: 3}") == (Outer(2, Inner(limit=3)), [])


@pytest.mark.parametrize("content", ["", "number:\ninner:", "number: null\ninner: ~", "inner: {limit: null}"])
def test_a_key_without_a_value_has_its_default(content: str) -> None:
    assert read(content) == (Outer(), [])


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        ("numberz: 2", ["c:1:1: numberz: unknown key; did you mean number?"]),
        ("some_number: 2", ["c:1:1: some_number: unknown key; did you mean number?"]),
        ("x: 2", ["c:1:1: x: unknown key; allowed: number, inner"]),
        ("inner: {x: 2}", ["c:1:9: inner.x: unknown key; allowed: enabled, limit"]),
        ("number: 2\nnumber: 3", ["c:2:1: number: given twice"]),
        ("number: null\nnumber: 3", ["c:2:1: number: given twice"]),
        ("inner: false", ["c:1:8: inner: must be a mapping of keys to values, such as {enabled: false}"]),
        ("inner: []", ["c:1:8: inner: must be a mapping of keys to values, such as {enabled: false}"]),
        ("inner: ''", ["c:1:8: inner: must be a mapping of keys to values, such as {enabled: false}"]),
        ("[]", ["c:1:1: must be a mapping of keys to values"]),
        ("number: ''", ["c:1:9: number: '' is not a number from 1 to 9"]),
        ("inner: {limit: 'null'}", ["c:1:16: inner.limit: 'null' is not a number from 1 to 9"]),
        ("<<: {number: 1}", ["c:1:1: <<: unknown key; allowed: number, inner"]),
    ],
)
def test_problems_name_the_key_and_what_is_allowed(content: str, problems: list[str]) -> None:
    assert problems == read(content)[1]


def test_a_wrong_value_leaves_the_default_and_the_rest() -> None:
    settings, problems = read("number: 0\ninner: {limit: 2}")
    assert (Outer(inner=Inner(limit=2)), 1) == (settings, len(problems))


def test_a_key_that_has_moved_names_the_new_one_and_so_do_those_within() -> None:
    _, problems = read(
        "number: 1\nold:\n  a: 1\n  b: 2\n  ? [c]\n  : 3\n",
        old="number and inner",
        old__a="number",
        old__b="inner",
    )
    assert problems == [
        "c:2:1: old: this key is now number and inner",
        "c:3:3: old.a: this key is now number",
        "c:4:3: old.b: this key is now inner",
        "c:5:5: old: must be a single word or number",
    ]


def test_a_key_that_has_moved_within_its_section() -> None:
    assert read("inner: {most: 3}", inner__most="inner.limit")[1] == [
        "c:1:9: inner.most: this key is now inner.limit"
    ]


def test_hints_end_where_problems_are_no_longer_shown() -> None:
    reader = Reader()
    content = "".join(f"number{index}: 1\n" for index in range(25)).encode()
    read_section(Outer)(reader, read_yaml(content), "")
    hints = ["did you mean number?" in problem.text for problem in reader.problems]
    assert [True] * 20 + [False] * 5 == hints


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(
            interval_seconds=90.5,
            cpu_budget=1e-05,
            tables=("udp",),
            ports=Ports(names={8443: "api gateway", 1: 'a "b"'}, always=(22, 443)),
            peaks=Peaks(enabled=False),
        ),
    ],
)
def test_values_are_listed_as_they_are_read(settings: Settings) -> None:
    lines = []
    for path, value in list_values(settings):
        *above, name = path.split(".")
        lines += [f"{word}:" for word in above if f"{word}:" not in lines]
        lines.append(f"{'  ' * len(above)}{name}: {value}")
    reader = Reader()
    content = "\n".join(lines)
    assert settings == read_section(Settings)(reader, read_yaml(content.encode()), "")
    assert reader.messages("c") == []
