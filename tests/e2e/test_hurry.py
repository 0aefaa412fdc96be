"""Only time is divided, all of it, and by the same number."""

import pytest

from tests.support.e2e.hurry import hurry


@pytest.mark.parametrize(
    ("text", "hurried"),
    [
        ("15m", "15000ms"),
        (
            "max_over_time(a[15m] offset 1h) > 0.5 * 1024",
            "max_over_time(a[15000ms] offset 60000ms) > 0.5 * 1024",
        ),
        ("predict_linear(a[30m], 2 * 3600) > b", "predict_linear(a[30000ms], 2 * 3600 / 60) > b"),
        ("timestamp(a) - a > 60 + 10 * b", "timestamp(a) - a > 60 / 60 + 10 * b"),
        ("a / b > 5 / 6", "a / b > 5 / 6"),
    ],
)
def test_time_is_divided(text: str, hurried: str) -> None:
    assert hurried == hurry(text, 60)
