"""Numbers are written with units, and no more digits than matter."""

import pytest

from exporter.status.quantities import say_bytes, say_count, say_duration, say_rate, say_share


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0096, "9.6 ms"),
        (0.9999, "999.9 ms"),
        (1, "1s"),
        (59.4, "59s"),
        (241, "4m 1s"),
        (3600, "1h 0m"),
        (7325, "2h 2m"),
        (90_061, "1d 1h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert text == say_duration(seconds)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1229, "1.2 KiB"),
        (98_304, "96 KiB"),
        (2_358_460_416, "2.2 GiB"),
        (2**70, "1048576 PiB"),
    ],
)
def test_bytes(number: float, text: str) -> None:
    assert text == say_bytes(number)


@pytest.mark.parametrize(
    ("ratio", "text"), [(0, "0 %"), (0.766, "76.6 %"), (0.9999, "100.0 %"), (1, "100 %"), (1.25, "125 %")]
)
def test_shares(ratio: float, text: str) -> None:
    assert text == say_share(ratio)


def test_counts_and_rates() -> None:
    assert [say_count(each) for each in (0, -3, 24_512, 24_512.4)] == ["0", "-3", "24,512", "24,512"]
    assert [say_rate(each) for each in (0, 0.0167, 4.23, 12.3, 1234)] == [
        "0/s",
        "0.017/s",
        "4.2/s",
        "12/s",
        "1,234/s",
    ]
