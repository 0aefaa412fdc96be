"""A label's value is printable text of bounded length, whatever it was made from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sampling.labels import label_value


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"http-alt", "http-alt"),
        (b"", ""),
        ("größe".encode(), "größe"),
        (b"a\xffb", "a\N{REPLACEMENT CHARACTER}b"),
        (b"a\nb\x00c\x1b", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}"),
        (b"x" * 1000, "x" * 64),
        ("\N{GRINNING FACE}".encode() * 65, "\N{GRINNING FACE}" * 64),
    ],
)
def test_name(name: bytes, expected: str) -> None:
    assert expected == label_value(name)


@given(st.binary(max_size=400))
def test_any_bytes(name: bytes) -> None:
    value = label_value(name)
    assert len(value) <= 64
    assert value.isprintable()
    assert value.encode().decode() == value
