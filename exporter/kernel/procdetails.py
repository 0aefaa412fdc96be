"""Tell TCP sockets in some states apart by the text of ``tcp`` and ``tcp6``, where netlink cannot be asked.

Only rows in these states become objects; ``procnet`` has the rules of the text.
"""

import re
import sys
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Final

from exporter.kernel.sockdetails import ADDRESS_BYTES, Detail
from exporter.kernel.tables import Table

_COOKIE: Final = (1 << 60) - 1
_WORD_DIGITS: Final = 8
_ADDRESSES_KEPT: Final = 1024


def parse_details(table: Table, blocks: Iterable[bytes], states: Collection[int]) -> Iterator[Detail]:
    """Yield the sockets of a TCP table that are in one of ``states``, from blocks of whole lines.

    A cookie is made of the addresses, the ports and the inode, so it changes when accept gives a connection
    its inode; the cgroup is not in the text. A row that is malformed is skipped, as the count of it tells.
    """
    digits = 8 if table.family == "ipv4" else 32
    end = rb"([0-9A-F]{%d}):([0-9A-F]{4})" % digits
    state = b"|".join(b"%02X" % state for state in states)
    row = re.compile(
        rb"^ *[0-9]+: %b %b (%b) [0-9A-F]+:[0-9A-F]+ [0-9A-F]+:[0-9A-F]+ [0-9A-F]+ +[0-9]+ +[0-9]+ ([0-9]+)\b"
        % (end, end, state),
        re.MULTILINE,
    )
    for block in blocks:
        for found in row.findall(block):
            address, local, _, remote, code, inode = found
            cookie = hash(found) & _COOKIE
            ports = int(local, 16), int(remote, 16)
            yield Detail(*ports, int(code, 16), int(inode), cookie, _read_address(address), 0)


@lru_cache(_ADDRESSES_KEPT)
def _read_address(text: bytes) -> bytes:
    """Return an address that is printed in words of the machine's byte order."""
    words = (text[i : i + _WORD_DIGITS] for i in range(0, len(text), _WORD_DIGITS))
    address = b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)
    return address.ljust(ADDRESS_BYTES, b"\0")
