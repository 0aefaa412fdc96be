"""A table fits its width, and nothing that it holds is obeyed by a terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.terminal.tables import Column, Row, Table, clean, clip, measure_width, render_table, wrap

COLUMNS = (
    Column("Unit", 0, is_text=True),
    Column("Port", 0, is_text=True),
    Column("CloseWait", 0),
    Column("Oldest", 1),
    Column("Namespace", 2, is_text=True),
)
ROWS = (
    Row(("printer.unit", "8080 (checkout)", "936", "4m 1s", ""), "critical"),
    Row(("a", "443", "7", "", "shop/web-7c9d")),
)


def plain(text: str, _: str) -> str:
    """Paint nothing."""
    return text


def render(width: int | None, rows: tuple[Row, ...] = ROWS) -> list[str]:
    """Return the lines of the table without colours."""
    return render_table(Table(COLUMNS, rows), width, plain)


def test_numbers_are_to_the_right_and_words_to_the_left() -> None:
    assert render(None) == [
        "Unit          Port             CloseWait  Oldest  Namespace",
        "printer.unit  8080 (checkout)        936   4m 1s",
        "a             443                      7          shop/web-7c9d",
    ]


def test_columns_are_left_out_by_rank_and_then_texts_are_cut() -> None:
    assert render(60) == [
        "Unit          Port             CloseWait  Oldest  Namespace",
        "printer.unit  8080 (checkout)        936   4m 1s",
        "a             443                      7          shop/web-…",
    ]
    assert render(40) == [
        "Unit          Port             CloseWait",
        "printer.unit  8080 (checkout)        936",
        "a             443                      7",
    ]
    assert render(30) == [
        "Unit      Port       CloseWait",
        "printer…  8080 (ch…        936",
        "a         443                7",
    ]


def test_what_is_whole_is_cut_last() -> None:
    address = "2001:db8:1:2:3:4:5:6"
    columns = (Column("Port", 0, is_text=True), Column("Address", 0, is_text=True, is_whole=True))
    table = Table(columns, [Row(("8080 (checkout)", address))])
    assert render_table(table, 30, plain)[1] == f"8080 (c…  {address}"
    assert render_table(table, 20, plain)[1] == "808…  2001:db8:1:2:…"


def test_a_column_without_a_text_is_not_there() -> None:
    assert render(None, ROWS[:1])[0].split() == ["Unit", "Port", "CloseWait", "Oldest"]


def test_a_table_without_rows_has_no_titles() -> None:
    assert render(80, ()) == []


def test_a_row_is_in_the_colour_of_its_severity() -> None:
    lines = render_table(Table(COLUMNS, ROWS), None, lambda text, style: f"{style}:{text}")
    assert [line.partition(":")[0] for line in lines] == ["title", "critical", "ok"]


HOSTILE = st.text(st.characters(codec="utf-8"), max_size=40)


@given(st.lists(st.tuples(*[HOSTILE] * len(COLUMNS)), max_size=4), st.integers(25, 120))
def test_whatever_names_there_are_lines_fit_and_nothing_is_obeyed(
    rows: list[tuple[str, ...]], width: int
) -> None:
    numbers = [Row((*row[:2], "1", "2", row[4])) for row in rows]
    for line in render(width, tuple(numbers)):
        assert line.isprintable()
        assert measure_width(line) <= width


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[2J",
        "a\nb",
        "\x9b31m",
        "\r",
        "\x08",
        "\x7f",
        "\N{RIGHT-TO-LEFT OVERRIDE}",
        "\N{ZERO WIDTH SPACE}",
        "\udc80",
    ],
)
def test_control_characters_are_replaced(text: str) -> None:
    assert clean(text).isprintable()
    assert re.sub(r"[ -~]", "", clean(text)).strip("\N{REPLACEMENT CHARACTER}") == ""


def test_wide_letters_take_two_cells_and_marks_none() -> None:
    assert measure_width("日本") == 4
    assert measure_width("e\N{COMBINING ACUTE ACCENT}") == 1
    assert clip("日本語", 5) == "日本…"
    assert clip("日本語", 4) == "日…"


def test_text_is_broken_at_spaces() -> None:
    assert wrap("critical: shop does not close", 16) == ["critical: shop", "does not close"]
    assert wrap("  see https://example.org/a", 12) == ["  see", "  https://ex", "  ample.org/", "  a"]
    assert wrap("all of it", None) == ["all of it"]


@given(HOSTILE, st.integers(1, 50))
def test_whatever_text_there_is_no_word_of_it_is_lost(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(measure_width(line) <= max(width, 2) for line in lines)
    assert "".join("".join(lines).split()) == "".join(clean(text).split())
