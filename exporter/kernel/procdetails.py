"""Tell TCP sockets in some states apart by the text of ``tcp`` and ``tcp6``, where netlink cannot be asked.

Only rows in these states become objects; ``procnet`` has the rules of the text.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from exporter.kernel.sockdetails import Detail
from exporter.kernel.tables import Table

_COOKIE: Final = (1 << 60) - 1


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
            _, local, _, remote, code, inode = found
            cookie = hash(found) & _COOKIE
            yield Detail(int(local, 16), int(remote, 16), int(code, 16), int(inode), cookie, 0)
