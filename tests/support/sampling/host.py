"""A host of one's own: a procfs in a folder, a clock to set, and a sampler that takes passes over it."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from exporter.config.settings import Settings
from exporter.kernel import states
from exporter.kernel.procfs import Procfs
from exporter.sampling.labels import Samples, SocketKey
from exporter.sampling.sampler import Sampler
from exporter.sampling.services.names import PortNames
from exporter.sampling.snapshot import CollectorStatus, Snapshot, TableStatus
from tests.support.procfs_tree import Printed, ProcfsTree
from tests.support.sampling.settings import NAMES, SETTINGS

PORT_RANGE = "net/ipv4/ip_local_port_range"
RESERVED_PORTS = "net/ipv4/ip_local_reserved_ports"


class Clock:
    """Stands for the module ``time`` where a pass is dated; it goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 10_000.0
        self.wall_offset = 0.0

    def monotonic(self) -> float:
        """Return what the test has set."""
        return self.now

    def time(self) -> float:
        """Return the wall clock's time, which may be set wrong."""
        return time.time() + self.wall_offset

    @staticmethod
    def thread_time() -> float:
        """Return what this thread has used."""
        return time.thread_time()


class Host:
    """Takes passes over tables that a test fills, seconds or hours apart by its own clock."""

    def __init__(
        self,
        tree: ProcfsTree,
        clock: Clock,
        settings: Settings = SETTINGS,
        names: PortNames = NAMES,
        procfs: Procfs | None = None,
    ) -> None:
        self.tree = tree
        self.clock = clock
        self.settings = settings
        self.names = names
        self.sampler = Sampler(procfs or tree.procfs(), settings, names)

    def change(self, settings: Settings) -> None:
        """Let other settings hold from the next pass on."""
        self.settings = settings
        self.sampler.change_settings(settings, self.names)

    def see(self, seconds: float = 5.0, **tables: Iterable[Printed]) -> Snapshot:
        """Take a pass so long after the last one, over tables filled with these rows."""
        for table, rows in tables.items():
            self.tree.fill(table, *rows)
        self.clock.now += seconds
        return self.sampler.take_snapshot()


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


def listening(port: int, waiting: int = 0, inode: int = 1) -> Printed:
    """Return a listener."""
    return Printed(port, state=states.LISTEN, receive=waiting, inode=inode)


def status_of(snapshot: Snapshot, table: str) -> TableStatus:
    """Return how reading a table went."""
    (status,) = (status for status in snapshot.tables if status.table == table)
    return status


def collector_of(snapshot: Snapshot, collector: str) -> CollectorStatus:
    """Return how a collector fared."""
    (status,) = (status for status in snapshot.collectors if status.collector == collector)
    return status


def all_sockets(snapshot: Snapshot) -> Mapping[SocketKey, float]:
    """Return the counts of sockets, zeros included."""
    return {SocketKey(*key): number for key, number in snapshot.samples["netstat_sockets"].items()}


def sockets_of(snapshot: Snapshot, protocol: str) -> dict[tuple[str, str], float]:
    """Return the sockets of a protocol by state and port, without the zeros."""
    return {
        (key.state, key.port): number
        for key, number in all_sockets(snapshot).items()
        if key.protocol == protocol and number
    }


def states_of(snapshot: Snapshot, direction: str, port: str) -> dict[str, float]:
    """Return the sockets over IPv4 of a port by state, zeros included."""
    return {
        key.state: number
        for key, number in all_sockets(snapshot).items()
        if (key.direction, key.port, key.family) == (direction, port, "ipv4")
    }


def by_port(samples: Samples, place: int = 2) -> dict[str, float]:
    """Return samples by the label at a place, which is the port's unless it is said otherwise."""
    return {labels[place]: number for labels, number in samples.items()}


def passes_of(snapshot: Snapshot) -> dict[str, float]:
    """Return the passes until now by their result."""
    return by_port(snapshot.samples["netstat_exporter_passes_total"], 0)
