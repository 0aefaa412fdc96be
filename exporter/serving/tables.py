"""Describe a table by its columns: a heading, and what makes the cell of a row."""

from collections.abc import Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

R = TypeVar("R")

MOST_ROWS: Final = 50
"""The longest of the tables; the JSON has more."""

_LONG: Final = 40
"""Longer texts are wrapped."""


class Cell(NamedTuple):
    """What a cell has: a text, something fainter behind it, or the path of a line."""

    text: str
    faint: str = ""
    colour: str = ""
    path: str = ""


ShownCell = tuple[str, str, str, str]
"""A cell as the template has it: text, what is fainter, path, and its classes of CSS."""


class Column(NamedTuple, Generic[R]):
    """A column; ``is_number`` aligns it to the right."""

    name: str
    make: Callable[[R], Cell | str]
    is_number: bool = False


class Row(NamedTuple):
    """A row; its severity stands before its heading, which is the first cell."""

    severity: str
    heading: ShownCell
    cells: Sequence[ShownCell]


class Table(NamedTuple):
    """The first rows of a table that has ``total`` of them, with a heading for each cell."""

    caption: str
    headings: Sequence[tuple[str, bool]]
    rows: Sequence[Row]
    total: int


class Section(NamedTuple):
    """A part of the page; without rows it says ``empty``, or is left out if that is empty, too."""

    id: str
    heading: str
    empty: str
    tables: Sequence[Table]


def make_table(
    caption: str, columns: Sequence[Column[R]], rows: Sequence[R], total: int | None = None
) -> Table:
    """Return a table; of one that has a ``total``, and so may be long, the first rows."""
    return Table(
        caption,
        [(column.name, column.is_number) for column in columns],
        [_make_row(columns, row) for row in (rows if total is None else rows[:MOST_ROWS])],
        len(rows) if total is None else total,
    )


def _make_row(columns: Sequence[Column[R]], row: R) -> Row:
    heading, *cells = [_make_cell(make(row), is_number) for _, make, is_number in columns]
    return Row(getattr(row, "severity", ""), heading, cells)


def _make_cell(made: Cell | str, is_number: bool) -> ShownCell:  # noqa: FBT001 - called for every cell
    text, faint, colour, path = (made, "", "", "") if isinstance(made, str) else made
    kind = "number" if is_number else "long" if len(text) > _LONG else ""
    return text, faint, path, f"{kind} {colour}".strip() if colour else kind
