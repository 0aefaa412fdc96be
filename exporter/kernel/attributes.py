"""Find the attributes behind the fixed part of a message: length, type and payload, one after the other.

Source: ``struct nlattr`` in include/uapi/linux/netlink.h.
"""

from collections.abc import Mapping
from struct import Struct
from typing import Final

_HEADER: Final = Struct("=HH")  # length, type


def place_attributes(message: bytes, start: int) -> Mapping[int, range]:
    """Return where the payload of each attribute is, by type; what is no attribute ends them."""
    places = {}
    while start + _HEADER.size <= len(message):
        length, kind = _HEADER.unpack_from(message, start)
        if not _HEADER.size <= length <= len(message) - start:
            break
        places[kind] = range(start + _HEADER.size, start + length)
        start += length + -length % 4
    return places


def place_alike(data: bytes, length: int, start: int) -> Mapping[int, range] | None:
    """Return where the attributes are in messages of ``length``, None unless all have the same ones."""
    places = place_attributes(data[:length], start)
    headers = [range(place.start - _HEADER.size, place.start) for place in places.values()]
    end = start + sum(_HEADER.size + len(place) + -len(place) % 4 for place in places.values())
    messages = len(data) // length
    is_alike = all(data[i::length] == data[i : i + 1] * messages for header in headers for i in header)
    return places if is_alike and end == length else None
