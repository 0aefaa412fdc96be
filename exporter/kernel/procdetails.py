"""Tell TCP sockets in some states apart by the text of ``tcp`` and ``tcp6``, where netlink cannot be asked.

Only rows in these states become objects; ``procnet`` has the rules of the text.
"""

import re
import sys
from binascii import unhexlify
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from exporter.kernel.sockdetails import Detail
from exporter.kernel.tables import Table

_COOKIE: Final = (1 << 60) - 1
_WORD_BYTES: Final = 4


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
            local, local_port, remote, remote_port, code, inode = found
            yield Detail(
                _decode_address(local),
                int(local_port, 16),
                _decode_address(remote),
                int(remote_port, 16),
                int(code, 16),
                int(inode),
                hash(found) & _COOKIE,
                None,
            )


def _decode_address(text: bytes) -> bytes:
    """Return an address, which is printed in words of the machine's byte order, in that of the network."""
    address = unhexlify(text)
    if sys.byteorder == "big":
        return address
    starts = range(0, len(address), _WORD_BYTES)
    return b"".join(address[start : start + _WORD_BYTES][::-1] for start in starts)
