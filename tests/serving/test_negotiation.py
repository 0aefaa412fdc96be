"""A client gets the form that it asks for, and none that it refuses."""

import pytest

from exporter.serving.negotiation import accepts_gzip


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip ; q=1.0", True),
        ("*", True),
        ("*;q=0.1", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; Q=0.000", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("gzip;q=", False),
        ("gzip;q=x", False),
        ("gzipped", False),
    ],
)
def test_gzip_by_weight(header: str, accepted: bool) -> None:  # noqa: FBT001
    assert accepted == accepts_gzip(header)
