"""A procfs of one's own in a folder, with tables as the kernel prints them.

Formats: ``get_tcp4_sock`` in net/ipv4/tcp_ipv4.c, ``unix_seq_show`` in net/unix/af_unix.c.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from exporter.kernel import states
from exporter.kernel.procfs import Procfs
from exporter.kernel.tables import TABLES

CAPTURED = Path(__file__).parents[1] / "fixtures" / "proc"
NOBODY = 65534
UNIX_HEADER = b"Num       RefCount Protocol Flags    Type St Inode Path\n"
_INTERNET_HEADER = (
    b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
)


class Printed(NamedTuple):
    """What a row of an internet table says; ``own`` and ``peer`` are its addresses, as numbers.

    ``expires`` is in hundredths of a second; ``drops`` is printed for datagram sockets only. ``tries`` is how
    often was sent what the timer is for.
    """

    local: int
    remote: int = 0
    state: int = states.ESTABLISHED
    send: int = 0
    receive: int = 0
    inode: int = 1
    timer: int = 0
    peer: int = 0
    own: int = 0
    expires: int = 0
    drops: int = 0
    tries: int = 0


def print_row(table: str, row: Printed, sl: int = 0) -> bytes:
    """Return the row as the kernel prints it: a minisocket's, which has no inode, ends early."""
    digits = 8 if TABLES[table].family == "ipv4" else 32
    text = (
        f"{sl:4d}: {row.own:0{digits}X}:{row.local:04X} {row.peer:0{digits}X}:{row.remote:04X}"
        f" {row.state:02X} {row.send:08X}:{row.receive:08X} {row.timer:02X}:{row.expires:08X}"
        f" {row.tries if row.timer == 1 else 0:08X} {0:5d} {0 if row.timer == 1 else row.tries:8d}"
        f" {row.inode} 1 {0:016x}"
    )
    if row.inode:
        text += " 100 0 0 10 -1" if TABLES[table].protocol == "tcp" else f" {row.drops}"
    return f"{text:<149}\n".encode() if table == "tcp" else f"{text}\n".encode()


def print_table(table: str, rows: Iterable[Printed] = ()) -> bytes:
    """Return a whole internet table."""
    header = _INTERNET_HEADER.ljust(149) + b"\n"
    return header + b"".join(print_row(table, row, sl) for sl, row in enumerate(rows))


def print_unix_row(state: int, flags: int = 0, path: bytes = b"") -> bytes:
    """Return a row of the table of unix sockets."""
    row = b"%016x: 00000002 00000000 %08X 0001 %02X %5d" % (7, flags, state, 12345)
    return row + (b" " + path if path else b"") + b"\n"


def read_captured(table: str) -> bytes:
    """Return a table that a real kernel printed."""
    return (CAPTURED / "self" / "net" / table).read_bytes()


class ProcfsTree:
    """A folder laid out as a procfs, with empty tables ``tcp`` and ``udp``."""

    def __init__(self, root: Path, process: str = "self") -> None:
        self.root = root
        self.net = root / process / "net"
        self.net.mkdir(parents=True)
        for table in ("tcp", "udp"):
            self.fill(table)

    def procfs(self) -> Procfs:
        """Return the exporter's view of it."""
        return Procfs(str(self.root))

    def fill(self, table: str, *rows: Printed) -> None:
        """Write an internet table."""
        self.write(table, print_table(table, rows))

    def write(self, name: str, content: bytes) -> Path:
        """Write a file beside the tables, in place of whatever was there."""
        path = self.remove(name)
        path.write_bytes(content)
        return path

    def write_sysctl(self, name: str, content: bytes) -> None:
        """Write a kernel parameter."""
        path = self.root / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def remove(self, name: str) -> Path:
        """Take a file away, whatever it is, and return its path."""
        path = self.net / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        return path

    def make_fifo(self, name: str) -> None:
        """Put a pipe that nobody writes in a file's place."""
        os.mkfifo(self.remove(name))


@contextmanager
def unprivileged() -> Iterator[None]:
    """Open files as nobody, to whom modes apply, where the tests run as root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def open_files() -> dict[int, str]:
    """Return what this process has open, by descriptor."""
    found = {}
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the listing's own
            found[int(descriptor)] = os.readlink(f"/proc/self/fd/{descriptor}")
    return found
