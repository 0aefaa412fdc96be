"""Make snapshots of hosts with given samples, and the status at the last of some."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from exporter.config.settings import Settings
from exporter.sampling.labels import NamespaceLabels, Samples, SocketKey
from exporter.sampling.snapshot import NamespaceSamples, Snapshot
from exporter.status.build import build_status
from exporter.status.context import Context
from exporter.status.history import History
from exporter.status.model import Status

CONTEXT = Context(Settings(), "web1")


def sockets(state: str, number: float, port: str = "8080", direction: str = "inbound") -> Samples:
    """Return a count of TCP sockets over IPv4."""
    return {SocketKey("tcp", "ipv4", state, direction, port, f"name-{port}"): number}


def make_snapshot(
    samples: Mapping[str, Samples],
    at: float = 0.0,
    pods: Mapping[NamespaceLabels, Mapping[str, Samples]] = MappingProxyType({}),
) -> Snapshot:
    """Return a snapshot taken so many seconds after the first."""
    return Snapshot(
        number=1,
        taken_at_seconds=1_700_000_000 + at,
        taken_at_monotonic=1000 + at,
        samples=samples,
        tables=(),
        collectors=(),
        duration_seconds=0.004,
        cpu_seconds=0.004,
        interval_seconds=5.0,
        namespaces=tuple(NamespaceSamples(labels, found) for labels, found in pods.items()),
    )


def status_of(*snapshots: Snapshot, context: Context = CONTEXT) -> Status:
    """Return the status at the last of some snapshots."""
    history = History()
    for snapshot in snapshots:
        history.add(snapshot)
    return build_status(snapshots[-1], history.until(snapshots[-1]), context)


def alerts_of(status: Status) -> Sequence[tuple[str, str]]:
    """Return the alerts whose thresholds are exceeded, with their severities."""
    return [(problem.alert, problem.severity) for problem in status.problems]
