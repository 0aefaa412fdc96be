"""What a sampler watches, and what a pass of it says."""

from pathlib import Path

from exporter.kernel import states
from exporter.sampling.services import name_ports
from exporter.sampling.settings import Settings
from exporter.sampling.snapshot import Snapshot, TableStatus
from tests.procfs_tree import Printed, ProcfsTree

SETTINGS = Settings(
    tables=("tcp", "tcp6", "udp"),
    source="auto",
    interval_seconds=5.0,
    cpu_budget=1.0,
    timeout_seconds=30.0,
    names=name_ports({}, b""),
    always=frozenset({443}),
    ports_limit=100,
    stuck_states=("close_wait",),
    stuck_after_seconds=60,
    stuck_limit=1000,
    owners_by="auto",
    owners_limit=50,
)


def lay_out(root: Path) -> ProcfsTree:
    """Make a procfs without IPv6, in which port 80 listens."""
    tree = ProcfsTree(root)
    tree.fill("tcp", Printed(80, state=states.LISTEN), Printed(80, 1))
    tree.fill("udp", Printed(53, state=states.CLOSE))
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
