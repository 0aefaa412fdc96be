"""What a pass found: frozen values that any thread may read.

Absence is a value: a table that could not be read has no sockets here, and a status that says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

OTHER = "other"
"""The port, and its name, of every socket whose service port has no series of its own."""


_LONGEST_LABEL_VALUE = 64


def label_value(name: bytes) -> str:
    """Return bytes of anybody's making as a label value: valid, printable, at most 64 characters."""
    text = name[: 4 * _LONGEST_LABEL_VALUE].decode(errors="replace")[:_LONGEST_LABEL_VALUE]
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


class SocketKey(NamedTuple):
    """The labels of one count of sockets; an empty string where a label has no meaning."""

    protocol: str
    family: str
    state: str
    direction: str
    port: str
    port_name: str


class QueueKey(NamedTuple):
    """The labels of the queues of the sockets of one service port."""

    protocol: str
    family: str
    direction: str
    port: str
    port_name: str


class ListenerKey(NamedTuple):
    """The labels of the listeners of one port."""

    protocol: str
    family: str
    port: str
    port_name: str


class OwnerKey(NamedTuple):
    """The labels of the sockets of one owner, of both families."""

    protocol: str
    state: str
    direction: str
    port: str
    port_name: str
    owner: str


class SockstatKey(NamedTuple):
    """The labels of one line of the kernel's sockstat."""

    protocol: str
    family: str


@dataclass(frozen=True, slots=True)
class TableStatus:
    """How reading one table went; the two totals run since the process began."""

    table: str
    source: str
    success: bool
    duration_seconds: float
    rows: int
    malformed_rows_total: int
    repeated_rows_total: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The sockets of one moment, counted, and what counting them cost.

    ``measures`` is what capabilities measured beyond the counts. ``passes_total`` is by result: ``success``,
    ``partial``, ``failure``.
    """

    taken_at_seconds: float
    sockets: Mapping[SocketKey, int]
    receive_queue_bytes: Mapping[QueueKey, int]
    send_queue_bytes: Mapping[QueueKey, int]
    accept_queue_length: Mapping[ListenerKey, int]
    accept_queue_limit: Mapping[ListenerKey, int]
    sockstat_difference: Mapping[SockstatKey, int]
    measures: Mapping[str, Mapping[tuple[str, ...], float]]
    tables: tuple[TableStatus, ...]
    ports_folded: int
    pass_duration_seconds: float
    pass_cpu_seconds: float
    pass_interval_seconds: float
    passes_total: Mapping[str, int]
