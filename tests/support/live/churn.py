"""Count sockets that stay while others come and go, over both sources, and say how often each was wrong.

    python -m tests.support.live.churn

Prints JSON: by table and source, the dumps taken and how often a socket that stays was missed or repeated.
"""

import json
import resource
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import chain

from exporter.kernel.procfs import Procfs
from exporter.kernel.procnet import parse_table
from exporter.kernel.rows import Rows
from exporter.kernel.sockdiag import walk_tables
from exporter.kernel.tables import TABLES

STABLE = 2000
CHURNING = 200
DUMPS = 60
FAR = float("inf")

Ends = tuple[int, int]


def connect_stable(kept: ExitStack) -> set[Ends]:
    """Open connections that stay, and return the ports of their accepted ends."""
    listener = kept.enter_context(socket.create_server(("127.0.0.1", 0), backlog=STABLE))
    ends = set()
    for _ in range(STABLE):
        client = kept.enter_context(socket.create_connection(listener.getsockname()))
        kept.enter_context(listener.accept()[0])
        ends.add((listener.getsockname()[1], client.getsockname()[1]))
    return ends


def bind_stable(kept: ExitStack) -> set[Ends]:
    """Bind UDP sockets that stay, and return their ports."""
    ends = set()
    for _ in range(STABLE):
        bound = kept.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        bound.bind(("127.0.0.1", 0))
        ends.add((bound.getsockname()[1], 0))
    return ends


def churn_tcp(done: threading.Event) -> None:
    """Open and close connections until done."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        while not done.is_set():
            with socket.create_connection(listener.getsockname()), listener.accept()[0]:
                pass


def churn_udp(done: threading.Event) -> None:
    """Bind and close sockets until done."""
    while not done.is_set():
        with ExitStack() as kept:
            for _ in range(CHURNING):
                bound = kept.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                bound.bind(("127.0.0.1", 0))


def dump_procfs(table: str) -> Iterator[Rows]:
    """Read a table's text."""
    return parse_table(TABLES[table], Procfs().read_blocks(table, FAR) or ())


def dump_netlink(table: str) -> Iterator[Rows]:
    """Dump a table."""
    return (rows for _, rows in walk_tables([TABLES[table]], time.monotonic() + 60))


def count_errors(stable: set[Ends], blocks: Iterable[Rows]) -> tuple[int, int]:
    """Return how many sockets that stay were missed, and how many repeated."""
    rows = chain.from_iterable(block.unpack() for block in blocks)
    seen = Counter((local, remote) for _, local, remote, _ in rows if (local, remote) in stable)
    return len(stable) - len(seen), seen.total() - len(seen)


def measure(table: str, stable: set[Ends], churn: Callable[[threading.Event], None]) -> dict[str, object]:
    """Take dumps over both sources in turns while others churn."""
    done = threading.Event()
    churning = threading.Thread(target=churn, args=(done,))
    churning.start()
    found: dict[str, Counter[str]] = {"netlink": Counter(), "procfs": Counter()}
    try:
        for _ in range(DUMPS):
            for source, dump in (("netlink", dump_netlink), ("procfs", dump_procfs)):
                missed, repeated = count_errors(stable, dump(table))
                found[source].update(
                    dumps=1, wrong=bool(missed or repeated), missed=missed, repeated=repeated
                )
    finally:
        done.set()
        churning.join()
    return {table: found}


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with ExitStack() as all_kept:
        tcp = measure("tcp", connect_stable(all_kept), churn_tcp)
        udp = measure("udp", bind_stable(all_kept), churn_udp)
    json.dump(tcp | udp, sys.stdout)
