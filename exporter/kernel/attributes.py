"""Find the attributes behind the fixed part of a message: length, type and payload, one after the other.

Source: ``struct nlattr`` in include/uapi/linux/netlink.h.
"""

from collections.abc import Mapping
from struct import Struct
from typing import Final

_HEADER: Final = Struct("=HH")  # length, type
ATTRIBUTE_HEADER_BYTES: Final = _HEADER.size


def place_attributes(message: bytes, start: int) -> Mapping[int, range]:
    """Return where the payload of each attribute is, by type; what is no attribute ends them."""
    places = {}
    while start + ATTRIBUTE_HEADER_BYTES <= len(message):
        length, kind = _HEADER.unpack_from(message, start)
        if not ATTRIBUTE_HEADER_BYTES <= length <= len(message) - start:
            break
        places[kind] = range(start + ATTRIBUTE_HEADER_BYTES, start + length)
        start += length + -length % 4
    return places
