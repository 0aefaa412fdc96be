"""Attributes are found where they are, in any bytes."""

from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel.attributes import place_attributes

FIXED = b"fixed"


@given(st.binary(max_size=100))
def test_any_bytes(data: bytes) -> None:
    """What is found lies within them, and not in what stands before."""
    for place in place_attributes(FIXED + data, len(FIXED)).values():
        assert len(FIXED) + 4 <= place.start <= place.stop <= len(FIXED) + len(data)


def test_padding_and_lies() -> None:
    """What is padded, and what lies about its length."""
    data = FIXED + pack("=HHB3x", 5, 8, 7) + pack("=HHI", 8, 4, 9) + pack("=HH", 3, 1)
    found = {
        kind: data[place.start : place.stop] for kind, place in place_attributes(data, len(FIXED)).items()
    }
    assert {8: b"\7", 4: pack("=I", 9)} == found
