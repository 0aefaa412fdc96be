"""What a sampler watches, and what a pass of it says."""

import time
from collections.abc import Mapping
from pathlib import Path

from exporter.kernel import states
from exporter.kernel.procfs import Procfs
from exporter.sampling.attribution import Attribution
from exporter.sampling.capability import Pass
from exporter.sampling.counting import TableCount
from exporter.sampling.ports import PortRules
from exporter.sampling.series import Series
from exporter.sampling.services import name_ports
from exporter.sampling.settings import Settings
from exporter.sampling.snapshot import Snapshot, SocketKey, TableStatus
from tests.support.procfs_tree import Printed, ProcfsTree

SETTINGS = Settings(
    tables=("tcp", "tcp6", "udp"),
    source="auto",
    interval_seconds=5.0,
    cpu_budget=1.0,
    timeout_seconds=30.0,
    names=name_ports({}, b""),
    always=frozenset({443}),
    ports_limit=100,
    room=True,
    drops=True,
    peak_states=("syn_recv", "time_wait", "close_wait"),
    peak_window_seconds=60.0,
    stuck_states=("close_wait",),
    stuck_after_seconds=60,
    stuck_limit=1000,
    owners_by="auto",
    owners_limit=50,
)


RULES = PortRules(SETTINGS.names, SETTINGS.always, SETTINGS.ports_limit, range(32768, 61000))


def pass_over(
    procfs: Procfs,
    sockets: Mapping[SocketKey, int] | None = None,
    now: float = 0.0,
    sources: Mapping[str, str] | None = None,
    settings: Settings = SETTINGS,
) -> Pass:
    """Return a pass that found so many sockets in tables read by these sources."""
    read = dict(sources or {})
    return Pass(
        settings,
        procfs,
        sources=read,
        counts={name: TableCount({}, {}) for name in read},
        series=Series(Attribution(RULES, (), {}), 0, dict(sockets or {})),
        watched={},
        now=now,
        deadline=time.monotonic() + settings.timeout_seconds,
    )


def lay_out(root: Path) -> ProcfsTree:
    """Make a procfs without IPv6, in which port 80 listens."""
    tree = ProcfsTree(root)
    tree.fill("tcp", Printed(80, state=states.LISTEN), Printed(80, 1))
    tree.fill("udp", Printed(53, state=states.CLOSE))
    return tree


def lay_out_connections(root: Path) -> ProcfsTree:
    """Make a procfs without IPv6, with a listener and two connections of port 80, one in TIME_WAIT."""
    tree = ProcfsTree(root)
    tree.fill(
        "tcp",
        Printed(80, state=states.LISTEN),
        Printed(80, 9, peer=1),
        Printed(80, 9, states.TIME_WAIT, inode=0, timer=3, peer=2),
    )
    return tree


def status_of(snapshot: Snapshot, table: str) -> TableStatus:
    """Return how reading a table went."""
    (status,) = (status for status in snapshot.tables if status.table == table)
    return status


def sockets_of(snapshot: Snapshot, protocol: str) -> dict[tuple[str, str], int]:
    """Return the sockets of a protocol by state and port, without the zeros."""
    return {
        (key.state, key.port): number
        for key, number in snapshot.sockets.items()
        if key.protocol == protocol and number
    }
