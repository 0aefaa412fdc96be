"""Capture ``tests/fixtures`` from real sockets: the kernel's tables, and what was made to fill them.

    python -m tests.support.live.capture_fixtures

Needs root, for private network namespaces. What the files hold is told in ``tests/fixtures/README.md``.
"""

import json
import socket
import sys
import time
from pathlib import Path

from exporter.kernel import tables
from exporter.kernel.close_events import CloseEvents
from exporter.kernel.dumps import encode_request, receive
from exporter.kernel.inet_requests import ask_for
from exporter.kernel.netlink import NETLINK_SOCK_DIAG, MessageSplitter
from exporter.kernel.tables import Table
from exporter.kernel.unix_diag import ask_for_unix
from tests.support.live.closed import CLOSED
from tests.support.live.namespace import ROOT, Namespace, inside, private_namespace
from tests.support.live.sockets import held_sockets

FIXTURES = ROOT / "tests" / "fixtures"
PAIRS = ("tcp", "udp", "udplite", "raw", "sockstat")
TABLES = (*PAIRS, *(f"{name}6" for name in PAIRS), "unix", "netstat", "snmp")
SYSCTLS = ("ip_local_port_range", "ip_local_reserved_ports", "tcp_max_tw_buckets")
SYSCTLS_OF_THE_HOST = ("tcp_max_orphans", "tcp_mem")  # only the first namespace shows them
SOCKDIAG_TABLES = ("tcp", "udp", "udplite", "tcp6", "udp6", "udplite6", "unix")
LONG_SL = 10_000
SHORT_SL_ROWS = 4
LONG_SL_ROWS = 16
PATIENCE_SECONDS = 10
TIME_WAIT_FIELDS, FULL_FIELDS = 12, 17


def capture_tables(namespace: Namespace, folder: Path) -> None:
    """Copy every table, byte for byte."""
    folder.mkdir(parents=True, exist_ok=True)
    for table in TABLES:
        (folder / table).write_bytes(namespace.read(f"/proc/self/net/{table}"))


def capture_sysctls(namespace: Namespace, folder: Path) -> None:
    """Copy the limits."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SYSCTLS:
        (folder / name).write_text(namespace.run("cat", f"/proc/sys/net/ipv4/{name}"), encoding="ascii")
    for name in SYSCTLS_OF_THE_HOST:
        (folder / name).write_bytes(Path("/proc/sys/net/ipv4", name).read_bytes())


def capture_sockdiag(namespace: Namespace, folder: Path) -> None:
    """Copy the datagrams that answer a dump of every table, byte for byte."""
    with inside(namespace.path):
        for table in SOCKDIAG_TABLES:
            (folder / f"sockdiag_{table}.bin").write_bytes(receive_dump(tables.TABLES[table]))


def receive_dump(table: Table) -> bytes:
    """Dump one table, and return all that is received."""
    question = ask_for_unix() if table.protocol == "unix" else ask_for(table)
    splitter = MessageSplitter(question.shortest)
    buffer = memoryview(bytearray(1 << 16))
    received = b""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as channel:
        channel.send(encode_request(question))
        while not splitter.done:
            end = receive(channel, buffer, time.monotonic() + PATIENCE_SECONDS)
            splitter.split(buffer[:end])
            received += buffer[:end]
    return received


def capture_close_events(namespace: Namespace, folder: Path) -> None:
    """Copy the events of sockets that end in each way, byte for byte, in the order of CLOSED."""
    with inside(namespace.path), CloseEvents() as events:
        captured = b""
        for close in CLOSED:
            close()
            if not events.wait(PATIENCE_SECONDS):
                sys.exit(f"no event of {close.__name__}: capture again")
            captured += b"".join(block.data for block in events.read())
    (folder / "close_events.bin").write_bytes(captured)


def cut_long_sl(table: bytes) -> bytes:
    """Keep the header, some rows before ``sl`` outgrows its four places, and some after of either length."""
    header, *rows = table.splitlines(keepends=True)
    kept = rows[LONG_SL - SHORT_SL_ROWS : LONG_SL]
    for fields in (TIME_WAIT_FIELDS, FULL_FIELDS):
        long = [row for row in rows[LONG_SL:] if len(row.split()) == fields]
        if len(long) < LONG_SL_ROWS:
            sys.exit(f"{len(long)} rows of {fields} fields after {LONG_SL} rows: capture again")
        kept += long[:LONG_SL_ROWS]
    return b"".join([header, *kept])


def main() -> None:
    """Write every fixture anew."""
    with private_namespace() as namespace, held_sockets("everything", namespace) as made:
        capture_tables(namespace, FIXTURES / "proc" / "self" / "net")
        capture_sysctls(namespace, FIXTURES / "proc" / "sys" / "net" / "ipv4")
        capture_sockdiag(namespace, FIXTURES)
        capture_close_events(namespace, FIXTURES)
    rows = ",\n  ".join(json.dumps(one.told()) for one in made)
    (FIXTURES / "made.json").write_text(f"[\n  {rows}\n]\n", encoding="utf-8")
    with private_namespace() as namespace, held_sockets("many", namespace):
        for table in ("tcp", "tcp6"):
            content = namespace.read(f"/proc/self/net/{table}")
            (FIXTURES / f"long_sl_{table}").write_bytes(cut_long_sl(content))


if __name__ == "__main__":
    main()
