"""Lay out tables as text that fits a width, whatever names they hold.

Names come from elsewhere, and a terminal obeys control characters: none of them ever gets through.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from exporter.status.quantities import Say, say_count
from exporter.status.severity import OK

GAP: Final = 2
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"
_WIDE: Final = ("W", "F")
_LEAST_WIDTH: Final = 8
_LEAST_WIDTH_OF_FIRST: Final = 18
_FIRST_RANKS: Final = (0, 1)
_SHORTEST: Final = 4

Paint = Callable[[str, str], str]
"""Returns a text in the colour of a style: a severity, ``title`` or ``dim``."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; those with the highest ``rank`` are left out first, those with 0 never.

    ``is_text`` aligns it to the left, and lets it be cut short, unless it ``is_whole`` as long as others can.
    Those with a low rank are cut only where nothing is left to leave out.
    """

    title: str
    rank: int = 0
    is_text: bool = False
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """The texts of a row, one a column, and how bad it is."""

    texts: tuple[str, ...]
    severity: str = OK


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; columns without any text are left out. ``hidden`` others are not among them."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    hidden: int = 0


def show_known(number: float | None, say: Say = say_count) -> str:
    """Return a number in words, and nothing for one that is not known."""
    return "" if number is None else say(number)


def clean(text: str) -> str:
    """Return a text without anything that a terminal would obey: every such character is replaced."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def measure_width(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in _WIDE)
        for each in text
    )


def clip(text: str, width: int) -> str:
    """Return a text that is at most so wide, with an ellipsis where it was longer."""
    if measure_width(text) <= width:
        return text
    return _take(text, width - 1) + _ELLIPSIS if width > 1 else _ELLIPSIS


def wrap(text: str, width: int | None) -> list[str]:
    """Return a clean text in lines of at most so many cells, indented alike; it is broken at spaces."""
    text = clean(text)
    if width is None or measure_width(text) <= width:
        return [text]
    indent = text[: min(len(text) - len(text.lstrip()), width - 1)]
    lines: list[str] = []
    line = indent
    for word in text.split():
        longer = f"{line} {word}" if line != indent else indent + word
        if measure_width(longer) > width and line != indent:
            lines.append(line)
            longer = indent + word
        line = longer
        while measure_width(line) > width:  # an address: it is not cut, so that it can be copied
            head = _take(line, width)
            lines.append(head)
            line = indent + line[len(head) :]
    return [*lines, line]


def _take(text: str, width: int) -> str:
    """Return the beginning of a text that is at most so wide, and at least one letter."""
    length = 1
    while length < len(text) and measure_width(text[: length + 1]) <= width:
        length += 1
    return text[:length]


def render_table(table: Table, width: int | None, paint: Paint) -> list[str]:
    """Return the lines of a table, at most so wide, the titles first; no line for a table without rows."""
    if not table.rows:
        return []
    texts = [[clean(text) for text in row.texts] for row in table.rows]
    places = [place for place in range(len(table.columns)) if any(row[place] for row in texts)]
    columns = [table.columns[place] for place in places]
    cells = [[row[place] for place in places] for row in texts]
    widths = [
        max(measure_width(text) for text in (column.title, *(row[place] for row in cells)))
        for place, column in enumerate(columns)
    ]
    kept = _choose(columns, widths, width)
    _shrink(columns, widths, kept, width)
    titles = [column.title for column in columns]
    lines = [paint(_join(titles, columns, widths, kept), "title")]
    lines += [
        paint(_join(row, columns, widths, kept), each.severity)
        for row, each in zip(cells, table.rows, strict=True)
    ]
    return lines


def _choose(columns: Sequence[Column], widths: Sequence[int], width: int | None) -> list[int]:
    """Return the places of the columns that are shown: a cut text is better than none, up to a point."""
    kept = list(range(len(columns)))
    least = [
        min(each, _find_least_width(column)) if column.is_text and not column.is_whole else each
        for column, each in zip(columns, widths, strict=True)
    ]
    while width is not None and _total([least[place] for place in kept]) > width:
        last = max(kept, key=lambda place: columns[place].rank)
        if not columns[last].rank:
            break
        kept.remove(last)
    return kept


def _find_least_width(column: Column) -> int:
    return _LEAST_WIDTH_OF_FIRST if column.rank in _FIRST_RANKS else _LEAST_WIDTH


def _shrink(columns: Sequence[Column], widths: list[int], kept: Sequence[int], width: int | None) -> None:
    """Take from the widest texts until the columns fit, from those above their least width first."""
    texts = [place for place in kept if columns[place].is_text]
    cuttable = [place for place in texts if not columns[place].is_whole]
    while width is not None and texts and _total([widths[place] for place in kept]) > width:
        long = [place for place in cuttable if widths[place] > _find_least_width(columns[place])]
        parts = long or [place for place in cuttable if widths[place] > _SHORTEST]
        widest = max(parts or texts, key=lambda place: widths[place])
        if widths[widest] <= 1:
            break
        widths[widest] -= 1


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _join(texts: Sequence[str], columns: Sequence[Column], widths: Sequence[int], kept: Sequence[int]) -> str:
    words = []
    for place in kept:
        text = clip(texts[place], widths[place])
        blank = " " * (widths[place] - measure_width(text))
        words.append(text + blank if columns[place].is_text else blank + text)
    return (" " * GAP).join(words).rstrip()
