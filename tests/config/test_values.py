"""Values are read strictly; what is wrong is collected with its place, and only the first of very much."""

import pytest

from exporter.config.nodes import Node, Scalar, Sequence
from exporter.config.values import (
    Reader,
    ReadValue,
    T,
    read_choice,
    read_duration,
    read_flag,
    read_list,
    read_number,
    read_share,
)

HELM_MILLION = "1e+06"


def read(reading: ReadValue[T], node: Node | str) -> T | None:
    """Return the value of a text or a node, or None, which the reader has to have noted."""
    reader = Reader()
    value = reading(reader, Scalar(1, 1, node) if isinstance(node, str) else node, "key")
    assert (value is None) == bool(reader.problems)
    return value


def problem(reading: ReadValue[T], node: Node | str) -> str:
    """Return the one problem of a text or a node at line 3, column 4."""
    reader = Reader()
    reading(reader, Scalar(3, 4, node) if isinstance(node, str) else node, "key")
    (message,) = reader.messages("c")
    return message


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("100ms", 0.1), ("5s", 5.0), ("1m30s", 90.0), ("1h1m1s500ms", 3661.5), ("24h", 86_400.0),
        ("24h1ms", None), ("99ms", None),
        ("5", None), ("-5s", None), ("5s1m", None), ("", None), ("5 s", None),
        ("9999999s", None),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float | None) -> None:
    assert seconds == read(read_duration, text)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("0.05", 0.05), ("1", 1.0), ("1.0", 1.0), ("1e-05", 0.00001), ("1.5E-2", 0.015),
        ("0.30000000000000004", 0.30000000000000004),
        ("0", None), ("1.01", None), ("nan", None), ("inf", None), ("-0.5", None), ("5%", None), (".5", None),
        ("1e-99", 1e-99), ("1e99", None), ("0.05 ", None), ("0.\u0665", None),
    ],
)  # fmt: skip
def test_shares_may_have_an_exponent_as_programs_write_small_ones(text: str, share: float | None) -> None:
    assert share == read(read_share, text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1), ("1000000", 1_000_000), ("0", None), ("1000001", None), ("022", None), ("1_0", None),
        ("0x10", None), ("2001-13-41", None), ("+1", None), ("1.0", None), ("", None), ("\u0665", None),
        ("9" * 5000, None), (HELM_MILLION, None),
    ],
)  # fmt: skip
def test_numbers(text: str, number: int | None) -> None:
    assert number == read(read_number(1, 1_000_000), text)


def test_a_number_with_an_exponent_is_refused_with_what_to_write() -> None:
    expected = f"c:3:4: key: '{HELM_MILLION}' is not a number from 1 to 1000000"
    assert expected == problem(read_number(1, 1_000_000), HELM_MILLION)


@pytest.mark.parametrize(
    ("text", "flag"), [("true", True), ("false", False), ("True", None), ("yes", None), ("1", None)]
)
def test_flags(text: str, flag: bool | None) -> None:  # noqa: FBT001
    assert flag is read(read_flag, text)


def test_choices_and_words_of_earlier_versions() -> None:
    reading = read_choice(("auto", "unit"), moved={"none": "owners.enabled: false"})
    assert "unit" == read(reading, "unit")
    assert "c:3:4: key: 'root' is not one of auto, unit" == problem(reading, "root")
    assert "c:3:4: key: none is now owners.enabled: false" == problem(reading, "none")


def test_lists() -> None:
    reading = read_list(read_number(1, 9))
    items = [Scalar(1, column, text) for column, text in enumerate(("3", "1", "3", "0"), 1)]
    assert (3, 1) == read(reading, Sequence(1, 1, tuple(items[:2])))
    assert () == read(reading, Sequence(1, 1, ()))
    assert "c:1:3: key: 3 is given twice" == problem(reading, Sequence(1, 1, tuple(items[:3])))
    assert "c:1:4: key: '0' is not a number from 1 to 9" == problem(reading, Sequence(1, 1, (items[3],)))
    assert "c:3:4: key: must be a list" == problem(reading, "3")
    assert "c:3:4: key: not so" == problem(read_list(read_flag, when_empty="not so"), Sequence(3, 4, ()))


def test_what_is_no_scalar_is_named() -> None:
    assert problem(read_flag, Sequence(3, 4, ())) == "c:3:4: key: a sequence is not true or false"


def test_what_anybody_wrote_is_shown_short_and_printable() -> None:
    assert f"'{'9' * 60}...' is not" in problem(read_number(1, 2), "9" * 5000)
    assert r"\\ud800" in problem(read_flag, "\ud800")
    assert "\x1b" not in problem(read_flag, "\x1b[31m")


@pytest.mark.parametrize(
    ("count", "last"),
    [
        (20, "c:20:1: key: wrong"),
        (21, "... and 1 more problem"),
        (90_000, "... and 89,980 more problems"),
    ],
)
def test_the_first_twenty_problems_are_shown_and_how_many_more(count: int, last: str) -> None:
    reader = Reader()
    for line in reversed(range(count)):
        reader.reject(Scalar(line + 1, 1, ""), "key", "wrong")
    messages = reader.messages("c")
    assert [f"c:{line}:1: key: wrong" for line in range(1, 21)] == messages[:20]
    assert last == messages[-1]
    assert min(count, 21) == len(messages)
