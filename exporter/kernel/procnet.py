"""Parse the text of the tables under /proc/net into rows.

1. Bytes in, values out: nothing is read, nothing is kept but the block before, nothing is raised but
   ProcnetError when the text is no socket table at all. A row that cannot be parsed is counted and skipped.
2. A row of an inet table begins ``sl: local:port remote:port st tx_queue:rx_queue tr``, all but ``sl`` in
   hexadecimal of fixed width. ``sl`` grows with the table and shifts the rest of its row; what follows ``tr``
   differs between kinds of sockets, and nothing of it is needed to count.
3. The rows of TCP are in the order of the kernel's hash buckets. Between two reads the table may change,
   and then the kernel resumes in the bucket where it stopped, so a row may be listed twice, close together.
   UDP resumes by counting rows from the start: its repeats and its misses cancel, so none is removed.

A row of ``tcp``, as the kernel printed it for a connection in CLOSE_WAIT::

    0: 0100007F:1F90 0100007F:C350 08 00000000:00000001 00:00000000 00000000     0        0 24362 1 ...
    sl local         remote        st tx_queue:rx_queue tr:tm->when retrnsmt   uid  timeout inode

Source: Documentation/networking/proc_net_tcp.rst, ``get_tcp4_sock`` in net/ipv4/tcp_ipv4.c,
``udp4_format_sock`` in net/ipv4/udp.c, ``unix_seq_show`` in net/unix/af_unix.c.
"""

import binascii
import re
from binascii import unhexlify
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from struct import Struct, iter_unpack
from typing import Final, NamedTuple

from exporter.kernel import states
from exporter.kernel.rows import Rows, StateRows, rename_unknown
from exporter.kernel.tables import Table
from exporter.kernel.textrows import Layout, TextRows, read_inode

_SEPARATORS: Final = b": "
_NO_INODE: Final = 0
_HEX_BYTE: Final = re.compile(rb"[0-9A-Fa-f]{2}")
_ACCEPTS_CONNECTIONS: Final = 0x10000  # __SO_ACCEPTCON

# A pointer is printed hashed, or as this placeholder before the kernel has the entropy to hash it.
_UNIX_ROW: Final = re.compile(
    rb"^(?:[0-9a-f]+|\(_+ptrval_+\)): [0-9A-F]{8} 00000000 ([0-9A-F]{8}) [0-9A-F]{4} 0([1-4]) +[0-9]+"
    rb"(?: .*)?\n",
    re.MULTILINE,
)


class ProcnetError(Exception):
    """The text is not that of a socket table."""


class Line(NamedTuple):
    """A well-formed row: what rule 2 fixes, from the colon behind ``sl`` to ``tr``, and all that follows."""

    fields: bytes
    rest: bytes


def parse_table(table: Table, blocks: Iterable[bytes]) -> Iterator[Rows]:
    """Return the rows of a table, for each block of whole lines.

    Raises ProcnetError, while iterating, when the first block does not begin with a table's header.
    """
    if table.protocol == "unix":
        return map(_parse_unix_block, _without_header(blocks, b"Inode Path"))
    return map(_InetParser(table).parse, _without_header(blocks, b"local_address"))


def _without_header(blocks: Iterable[bytes], header_word: bytes) -> Iterator[bytes]:
    blocks = iter(blocks)
    header, _, rows = next(blocks, b"").partition(b"\n")
    if header_word not in header:
        raise ProcnetError(f"no header: expected a line with {header_word.decode()!r}, found {header[:60]!r}")
    if rows:
        yield rows
    yield from blocks


def _parse_unix_block(block: bytes) -> StateRows:
    # Any local user can forge a row by binding a name with a newline: what looks like a row is counted,
    # so the count is an upper bound, and the rest of the name shows as a malformed row.
    codes = bytes(
        states.LISTEN if int(flags, 16) & _ACCEPTS_CONNECTIONS else int(state)
        for flags, state in _UNIX_ROW.findall(block)
    )
    return StateRows(codes, _count_lines(block) - len(codes))


def _count_lines(block: bytes) -> int:
    lines = block.split(b"\n")  # which is faster than to count them
    return len(lines) - (not lines[-1])


class _InetParser:
    """Parses the blocks of one inet table; keeps the last block, to recognize repeated rows."""

    def __init__(self, table: Table) -> None:
        digits = 8 if table.family == "ipv4" else 32
        template = ": {0}:0000 {0}:0000 00 00000000:00000000 00".format("0" * digits).encode()
        self._layout = Layout(digits // 2)
        self._length = len(template)
        self._addresses_end = template.index(b" 00 ")
        self._separators = [
            (i, template[i : i + 1]) for i in range(len(template)) if template[i] in _SEPARATORS
        ]
        parts = (template[: self._addresses_end + 1], template[self._addresses_end + 3 :])
        before, after = (part.replace(b"0", b"[0-9A-Fa-f]") for part in parts)
        self._row = re.compile(rb"^.*?(%b)(\S\S)(%b)(.*)\n" % (before, after), re.MULTILINE)
        self._addresses = Struct(f"{self._layout.state_at}s10x")
        self._states = table.states
        self._drops_repeats = table.protocol == "tcp"
        self._last_addresses: set[int] = set()
        self._last_block = b""

    def parse(self, block: bytes) -> TextRows:
        """Return the rows of a block of whole lines."""
        listed = _count_lines(block)
        data, lines = self._decode(block, listed)
        well_formed = len(data) // self._layout.size
        repeated = 0
        if self._drops_repeats:
            # Two hashes that happen to be the same cost a closer look, in which nothing is found.
            addresses = set(map(hash, self._addresses.iter_unpack(data)))
            if len(addresses) < well_formed or not addresses.isdisjoint(self._last_addresses):
                lines = self._without_repeats(block)
                repeated = well_formed - len(lines)
                data = _decode_hex(b"".join(line.fields for line in lines))
            self._last_addresses, self._last_block = addresses, block
        data = rename_unknown(data, self._layout.state_at, self._layout.size, self._states)
        get_rest = self._find_rests(block) if lines is None else (lambda place: lines[place].rest)
        return TextRows(
            self._layout,
            data,
            get_rest,
            block,
            listed=listed,
            malformed=listed - well_formed,
            repeated=repeated,
        )

    def _decode(self, block: bytes, number: int) -> tuple[bytes, list[Line] | None]:
        """Return the fields of every well-formed row, decoded, and the rows where one of them is odd.

        Nearly always ``sl`` has one width in the whole block: then the fields are columns of it, which a few
        passes in C cut, check and decode, three times faster than a pattern finds them.
        """
        text = self._cut(block, number)
        length = self._length
        if len(text) == length * number and all(
            text[i::length] == mark * number for i, mark in self._separators
        ):
            with suppress(binascii.Error):
                data = _decode_hex(text)
                if len(data) == self._layout.size * number:
                    return data, None
        lines = list(self._match(block))
        return _decode_hex(b"".join(line.fields for line in lines)), lines

    def _cut(self, block: bytes, number: int) -> bytes:
        """Return what stands in every line where the first line has its fields."""
        start = block.find(b":")
        stride = block.find(b"\n") + 1
        behind = stride - start - self._length
        if (
            start >= 0 <= behind
            and stride * number == len(block)
            and block[stride - 1 :: stride] == b"\n" * number
        ):
            columns = iter_unpack(f"{start}x{self._length}s{behind}x", block)
            return b"".join(chain.from_iterable(columns))
        return b"".join([line[start : start + self._length] for line in block.split(b"\n")[:-1]])

    def _find_rests(self, block: bytes) -> Callable[[int], bytes]:
        """Return what finds the text behind the fields of a row, in a block in which they are columns."""
        end = block.find(b":") + self._length
        lines: list[bytes] = []

        def get_rest(place: int) -> bytes:
            if not lines:
                lines.extend(block.split(b"\n"))
            return lines[place][end:]

        return get_rest

    def _match(self, block: bytes) -> Iterator[Line]:
        """Yield every well-formed row, however wide its ``sl``."""
        for before, state, after, rest in self._row.findall(block):
            code = state if _HEX_BYTE.fullmatch(state) else b"%02X" % states.UNKNOWN
            yield Line(before + code + after, rest)

    def _without_repeats(self, block: bytes) -> list[Line]:
        """Return the rows that were not listed before, in this block or the last.

        Two sockets may share their addresses and be two all the same, as listeners with SO_REUSEPORT do;
        then they differ by inode. A minisocket has no inode: it is what became of the socket seen before.
        """
        inodes: dict[bytes, set[int]] = {}
        for line in self._match(self._last_block):
            inodes.setdefault(line.fields[: self._addresses_end], set()).add(read_inode(line.rest))
        distinct = []
        for line in self._match(block):
            inode = read_inode(line.rest)
            seen = inodes.setdefault(line.fields[: self._addresses_end], set())
            if not seen or (inode not in seen and inode != _NO_INODE and _NO_INODE not in seen):
                distinct.append(line)
            seen.add(inode)
        return distinct


def _decode_hex(text: bytes) -> bytes:
    return unhexlify(text.translate(None, _SEPARATORS))
