"""What a pass found: frozen values that any thread may read.

Absence is a value: a table that could not be read has no sockets here, and a status that says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from exporter.sampling.labels import NamespaceLabels, Samples


@dataclass(frozen=True, slots=True)
class TableStatus:
    """The result of reading one table; ``error`` is empty on success.

    ``failing_seconds`` is the time since it began to fail, None on success.
    """

    table: str
    source: str
    rows: int
    duration_seconds: float
    error: str
    failing_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class CollectorStatus:
    """The result of a collector; ``error`` is empty on success.

    ``failing_seconds`` is the time since it began to fail, None on success.
    """

    collector: str
    duration_seconds: float
    error: str
    failing_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class NamespaceSamples:
    """The samples of a network namespace beside the host's own; ``labels`` are its ``NamespaceLabels``."""

    labels: NamespaceLabels
    samples: Mapping[str, Samples]


class FoldedPort(NamedTuple):
    """A service port of the host that is counted with the port other.

    ``is_over_limit`` says that there are more ports than ``ports.limit``; then ``direction`` is empty. Else
    the port has no name and no listener, and either has one socket only, or is inbound and ephemeral.
    """

    port: int
    sockets: int
    is_over_limit: bool
    direction: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The samples of one pass, its results and its cost.

    ``taken_at_seconds`` is Unix time, ``taken_at_monotonic`` is on the monotonic clock. ``samples`` are by
    the name of their metric; ``namespaces`` has those of other network namespaces, in the order of their
    labels. ``number`` is that of the pass. ``folded`` are some of the host's ports without series of
    their own, those over the limit first.
    """

    number: int
    taken_at_seconds: float
    taken_at_monotonic: float
    samples: Mapping[str, Samples]
    tables: tuple[TableStatus, ...]
    collectors: tuple[CollectorStatus, ...]
    duration_seconds: float
    cpu_seconds: float
    interval_seconds: float
    namespaces: tuple[NamespaceSamples, ...] = ()
    folded: tuple[FoldedPort, ...] = ()
