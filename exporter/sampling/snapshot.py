"""What a pass found: frozen values that any thread may read.

Absence is a value: a table that could not be read has no sockets here, and a status that says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.sampling.labels import Samples


@dataclass(frozen=True, slots=True)
class TableStatus:
    """How reading one table went; ``error`` is empty where it went well."""

    table: str
    source: str
    rows: int
    duration_seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class CollectorStatus:
    """How a collector fared; ``error`` is empty where it went well."""

    collector: str
    duration_seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The sockets of one moment, counted, and what counting them cost.

    ``taken_at_seconds`` is Unix time, ``taken_at_monotonic`` is on the monotonic clock. ``samples`` are by
    the name of their metric. ``number`` is that of the pass.
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
