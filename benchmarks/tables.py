"""Write tables of Markdown that read well on a terminal, too."""

from collections.abc import Iterable, Iterator, Sequence

Row = Sequence[str]


def write_number(value: float | None, unit: str) -> str:
    """Return a number with its unit; nothing where it was not measured."""
    return "" if value is None else f"{value:.2f} {unit}"


def write_table(head: Row, rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of an aligned table, the numbers to the right."""
    cells = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [all(cell[:1].isdigit() for cell in column[1:] if cell) for column in zip(*cells, strict=True)]
    rule = [
        "-" * (width - 1) + (":" if is_right else "-") for width, is_right in zip(widths, right, strict=True)
    ]
    for row in (cells[0], rule, *cells[1:]):
        padded = (
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        )
        yield f"| {' | '.join(padded)} |"
