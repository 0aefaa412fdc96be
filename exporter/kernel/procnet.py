"""Parse the text of the tables under /proc/net into rows.

1. Bytes in, values out: nothing is read, nothing is kept but the block before, nothing is raised but
   ProcnetError when the text is no socket table at all. A row that cannot be parsed is counted and skipped.
2. A row of an inet table begins ``sl: local:port remote:port st tx_queue:rx_queue tr``, all but ``sl`` in
   hexadecimal of fixed width. ``sl`` grows with the table and shifts the rest of its row; what follows ``tr``
   differs between kinds of sockets, and nothing of it is needed to count.
3. The rows of TCP are in the order of the kernel's hash buckets. Between two reads the table may change,
   and then the kernel resumes in the bucket where it stopped, so a row may be listed twice, close together.
   UDP resumes by counting rows from the start: its repeats and its misses cancel, so none is removed.

Source: Documentation/networking/proc_net_tcp.rst, ``get_tcp4_sock`` in net/ipv4/tcp_ipv4.c,
``unix_seq_show`` in net/unix/af_unix.c.
"""

import binascii
import re
from binascii import unhexlify
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from struct import Struct, iter_unpack
from typing import Final

from exporter.kernel import states
from exporter.kernel.rows import Batch, Listener, Row, count_minisockets, set_listeners_apart
from exporter.kernel.tables import Table

_SEPARATORS: Final = b": "
_NO_INODE: Final = frozenset({b"", b"0"})
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


def parse_table(table: Table, blocks: Iterable[bytes]) -> Iterator[Batch]:
    """Return the rows of a table, a batch for each block of whole lines.

    Raises ProcnetError, while iterating, when the first block does not begin with a table's header.
    """
    if table.protocol == "unix":
        return map(_parse_unix_block, _without_header(blocks, b"Inode Path"))
    return _InetParser(table).parse(_without_header(blocks, b"local_address"))


def _without_header(blocks: Iterable[bytes], header_word: bytes) -> Iterator[bytes]:
    blocks = iter(blocks)
    header, _, rows = next(blocks, b"").partition(b"\n")
    if header_word not in header:
        raise ProcnetError(f"no header: expected a line with {header_word.decode()!r}, found {header[:60]!r}")
    if rows:
        yield rows
    yield from blocks


def _parse_unix_block(block: bytes) -> Batch:
    # Any local user can forge a row by binding a name with a newline: what looks like a row is counted,
    # so the count is an upper bound, and the rest of the name shows as a malformed row.
    found = _UNIX_ROW.findall(block)
    rows = [
        (0, 0, states.LISTEN if int(flags, 16) & _ACCEPTS_CONNECTIONS else int(state), 0)
        for flags, state in found
    ]
    listed = _count_lines(block)
    return Batch((), rows, listed, malformed=listed - len(rows))


def _count_lines(block: bytes) -> int:
    return block.count(b"\n") + (block != b"" and not block.endswith(b"\n"))


class _InetParser:
    """Parses the blocks of one inet table; keeps the last block, to tell repeated rows by.

    The *fields* of a row are what rule 2 fixes, from the colon behind ``sl`` to ``tr``.
    """

    def __init__(self, table: Table) -> None:
        digits = 8 if table.family == "ipv4" else 32
        template = ": {0}:0000 {0}:0000 00 00000000:00000000 00".format("0" * digits).encode()
        self._length = len(template)
        self._addresses_end = template.index(b" 00 ")
        self._separators = [
            (i, template[i : i + 1]) for i in range(len(template)) if template[i] in _SEPARATORS
        ]
        parts = (template[: self._addresses_end + 1], template[self._addresses_end + 3 :])
        before, after = (part.replace(b"0", b"[0-9A-Fa-f]") for part in parts)
        inode = rb"(?::\S+ +\S+ +\S+ +\S+ +([0-9]+))?"
        self._row = re.compile(rb"^.*?(%b)(\S\S)(%b)%b.*\n" % (before, after, inode), re.MULTILINE)
        self._struct = Struct(f">{digits // 2}xH{digits // 2}xHBQx")
        self._state_at = self._struct.size - 10
        self._addresses = Struct(f"{self._state_at}s10x")
        self._known_states = bytes(table.states)
        self._name_unknown = bytes(code if code in table.states else states.UNKNOWN for code in range(256))
        self._drops_repeats = table.protocol == "tcp"
        self._last_addresses: set[tuple[bytes]] = set()
        self._last_block = b""

    def parse(self, blocks: Iterable[bytes]) -> Iterator[Batch]:
        return map(self._parse_block, blocks)

    def _parse_block(self, block: bytes) -> Batch:
        listed = _count_lines(block)
        data = self._decode(block, listed)
        well_formed = len(data) // self._struct.size
        repeated = 0
        matched: Iterable[tuple[bytes, bytes]] = self._match(block)
        if self._drops_repeats:
            addresses = set(self._addresses.iter_unpack(data))
            if len(addresses) < well_formed or not addresses.isdisjoint(self._last_addresses):
                matched = distinct = self._without_repeats(block)
                repeated = well_formed - len(distinct)
                data = _decode_hex(b"".join(row for row, _ in distinct))
            self._last_addresses, self._last_block = addresses, block
        codes = data[self._state_at :: self._struct.size]
        if codes.translate(None, self._known_states):
            codes = codes.translate(self._name_unknown)
            renamed = bytearray(data)
            renamed[self._state_at :: self._struct.size] = codes
            data = bytes(renamed)
        minisockets = count_minisockets(codes, data[self._struct.size - 1 :: self._struct.size])
        if states.SYN_RECV in codes:
            minisockets -= self._count_fast_open(matched)
        rows: Iterable[Row] = self._struct.iter_unpack(data)
        listeners: list[Listener] = []
        if states.LISTEN in codes:
            listeners, rows = set_listeners_apart(rows, limits_known=False)
        return Batch(listeners, rows, listed, listed - well_formed, repeated, minisockets)

    def _decode(self, block: bytes, lines: int) -> bytes:
        """Return the fields of every well-formed row, decoded.

        Nearly always ``sl`` has one width in the whole block: then the fields are columns of it, which a few
        passes in C cut, check and decode, three times faster than a pattern finds them.
        """
        text = self._cut(block, lines)
        length = self._length
        if len(text) == length * lines and all(
            text[i::length] == mark * lines for i, mark in self._separators
        ):
            with suppress(binascii.Error):
                data = _decode_hex(text)
                if len(data) == self._struct.size * lines:
                    return data
        return _decode_hex(b"".join(row for row, _ in self._match(block)))

    def _cut(self, block: bytes, lines: int) -> bytes:
        """Return what stands in every line where the first line has its fields."""
        start = block.find(b":")
        stride = block.find(b"\n") + 1
        behind = stride - start - self._length
        if (
            start >= 0 <= behind
            and stride * lines == len(block)
            and block[stride - 1 :: stride] == b"\n" * lines
        ):
            columns = iter_unpack(f"{start}x{self._length}s{behind}x", block)
            return b"".join(chain.from_iterable(columns))
        return b"".join([line[start : start + self._length] for line in block.split(b"\n")[:-1]])

    def _match(self, block: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Return the fields and the inode of every well-formed row, however wide its ``sl``."""
        for before, state, after, inode in self._row.findall(block):
            code = state if _HEX_BYTE.fullmatch(state) else b"%02X" % states.UNKNOWN
            yield before + code + after, inode

    def _count_fast_open(self, rows: Iterable[tuple[bytes, bytes]]) -> int:
        """Return how many sockets in SYN_RECV are no minisockets: those of TCP Fast Open have an inode."""
        state = slice(self._addresses_end + 1, self._addresses_end + 3)
        return sum(row[state] == b"03" and inode not in _NO_INODE for row, inode in rows)

    def _without_repeats(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """Return the fields and the inode of the rows that were not listed before, in this block or the last.

        Two sockets may share their addresses and be two all the same, as listeners with SO_REUSEPORT do;
        then they differ by inode. A minisocket has no inode: it is what became of the socket seen before.
        """
        inodes: dict[bytes, set[bytes]] = {}
        for row, inode in self._match(self._last_block):
            inodes.setdefault(row[: self._addresses_end], set()).add(inode)
        distinct = []
        for row, inode in self._match(block):
            seen = inodes.setdefault(row[: self._addresses_end], set())
            if not seen or (inode not in seen and inode not in _NO_INODE and seen.isdisjoint(_NO_INODE)):
                distinct.append((row, inode))
            seen.add(inode)
        return distinct


def _decode_hex(text: bytes) -> bytes:
    return unhexlify(text.translate(None, _SEPARATORS))
