"""Attributes are found where they are, in any bytes."""

from struct import pack

from hypothesis import example, given
from hypothesis import strategies as st

from exporter.kernel.attributes import place_alike, place_attributes

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


ATTRIBUTES = [pack("=HHI", 8, 4, 9), pack("=HHI", 8, 5, 9), pack("=HHB3x", 5, 4, 9), pack("=HHI", 3, 4, 9)]
"""Eight bytes each; the last one lies about its length."""
MESSAGES = st.lists(st.lists(st.sampled_from(ATTRIBUTES), min_size=2, max_size=2), min_size=1, max_size=3)


@given(MESSAGES)
@example([[ATTRIBUTES[0], ATTRIBUTES[1]], [ATTRIBUTES[2], ATTRIBUTES[1]]])  # only a length differs
def test_attributes_of_all_messages(messages: list[list[bytes]]) -> None:
    """Places are returned only if all messages have the attributes of the first one, and nothing else."""
    data = [FIXED + b"".join(attributes) for attributes in messages]
    length = len(data[0])
    places = [place_attributes(message, len(FIXED)) for message in data]
    are_alike = all(each == places[0] for each in places) and len(places[0]) == len(messages[0])
    assert (places[0] if are_alike else None) == place_alike(b"".join(data), length, len(FIXED))
