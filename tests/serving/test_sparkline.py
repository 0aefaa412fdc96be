"""A line goes through the values that are known, at the times when they were."""

import pytest

from exporter.serving.sparkline import Sparklines


@pytest.mark.parametrize(
    ("times", "values", "path"),
    [
        ([0, 10], [0, 4], "M0 18.5L80 1.5"),
        ([0, 5, 10], [2, 2, 2], "M0 1.5L40 1.5L80 1.5"),
        ([0, 8, 10], [0, 0, 0], "M0 18.5L64 18.5L80 18.5"),
        ([0, 1, 2, 3, 4], [4, 2, None, 2, 4], "M0 1.5L20 10.0M60 10.0L80 1.5"),
        ([0, 10], [None, 4], ""),
        ([10], [4], ""),
        ([], [], ""),
        ([0, 10], [], ""),
        ([5, 5], [1, 1], "M0 1.5L0 1.5"),
    ],
)
def test_a_line(times: list[float], values: list[float | None], path: str) -> None:
    assert path == Sparklines(times).draw(values)
