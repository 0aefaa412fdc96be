"""Both sources, asked one after the other about real sockets that stay as they are, count the same."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from exporter.kernel.netlink import Reason, SockDiagError
from exporter.kernel.procnet import parse_table
from exporter.kernel.rows import Listener
from exporter.kernel.sockdiag import read_listeners, walk_tables
from exporter.kernel.tables import TABLES
from tests.support.live.connections import BACKLOG
from tests.support.live.namespace import Namespace, inside
from tests.support.live.scenarios import LISTENERS
from tests.support.live.sockets import held_sockets
from tests.support.twins import IN_SOCKDIAG, Counted, count_table, without_forgery

pytestmark = pytest.mark.live

PATIENCE_SECONDS = 10


@pytest.fixture
def everything(namespace: Namespace) -> Iterator[Namespace]:
    """Hold sockets in every state."""
    with held_sockets("everything", namespace):
        yield namespace


def count_by_sockdiag(namespace: Namespace, table: str) -> Counted:
    """Count a table by its dump."""
    with inside(namespace.path):
        walk = walk_tables([TABLES[table]], time.monotonic() + PATIENCE_SECONDS)
        return count_table(table, (rows for _, rows in walk))


def count_by_procfs(namespace: Namespace, table: str) -> Counted:
    """Count a table by its text."""
    text = namespace.read(f"/proc/self/net/{table}")
    return without_forgery(count_table(table, parse_table(TABLES[table], [text])))


def test_both_sources_count_the_same(everything: Namespace) -> None:
    """By service, state and queue, and in how many rows are minisockets."""
    for table in IN_SOCKDIAG:
        assert count_by_procfs(everything, table) == count_by_sockdiag(everything, table), table


def test_raw_sockets_are_the_same_or_unavailable(everything: Namespace) -> None:
    """Where the kernel has no diag module for them, that never looks like no sockets."""
    for table in ("raw", "raw6"):
        try:
            count = count_by_sockdiag(everything, table)
        except SockDiagError as error:
            assert Reason.UNAVAILABLE == error.reason  # noqa: PT017 - either is right, by the kernel's build
        else:
            assert count_by_procfs(everything, table) == count


def test_sockets_that_are_only_bound_are_not_listed(namespace: Namespace) -> None:
    """Procfs does not list them, and sock_diag does when all states are asked for."""
    script = "import socket, sys; s = socket.socket(); s.bind(('', 0)); print(flush=True); sys.stdin.read()"
    command = namespace.command(sys.executable, "-c", script)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        count = count_by_sockdiag(namespace, "tcp")
    assert 0 == count.totals.listed


def test_listeners_alone(everything: Namespace) -> None:
    """Each has its limit, and as many waiting as a full dump says."""
    for table, family in (("tcp", 2), ("tcp6", 10)):
        with inside(everything.path):
            listeners = read_listeners([TABLES[table]], time.monotonic() + PATIENCE_SECONDS)[table]
        assert sorted(how.port for how in LISTENERS if how.family == family) == sorted(
            listener.port for listener in listeners
        )
        assert {BACKLOG} == {listener.limit for listener in listeners}
        queues = count_by_procfs(everything, table).sockets.accept_queues
        assert count_queues(listeners) == {port: queue.waiting for port, queue in queues.items()}


def count_queues(listeners: tuple[Listener, ...]) -> dict[int, int]:
    """Add up by port."""
    queues: dict[int, int] = {}
    for each in listeners:
        queues[each.port] = queues.get(each.port, 0) + each.waiting
    return queues


def test_listeners_are_dumped_first(namespace: Namespace) -> None:
    """No connection is in an earlier block than a listener, in a table of many datagrams."""
    with held_sockets("many", namespace), inside(namespace.path):
        walk = walk_tables([TABLES["tcp"]], time.monotonic() + PATIENCE_SECONDS)
        with_listeners = [bool(rows.listeners) for _, rows in walk if rows.listed]
    assert len(with_listeners) > 5
    assert sorted(with_listeners, reverse=True) == with_listeners
    assert with_listeners[0]
