"""Read metrics and labels off PromQL.

``CONTRACT`` has every metric that an expression may name, with its labels.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import promql_parser

from exporter.serving.metrics import FAMILIES, OWN_FAMILIES

_PORT: Final = ("protocol", "family", "port", "port_name")
_SOCKETS: Final = ("protocol", "family", "state", "direction", "port", "port_name")
_OWNERS: Final = ("protocol", "state", "direction", "port", "port_name", "owner")
PROMISED: Final[dict[str, tuple[str, ...]]] = {
    "netstat_stuck_sockets": _SOCKETS,
    "netstat_oldest_socket_age_seconds": _SOCKETS,
    "netstat_owner_sockets": _OWNERS,
    "netstat_sockets_peak": _SOCKETS,
    "netstat_ephemeral_ports_busiest_destination": _PORT,
    "netstat_udp_drops_total": _PORT,
    "netstat_exporter_stuck_sockets_unfollowed": (),
    "netstat_exporter_owner_sockets_unattributed": (),
    "netstat_ephemeral_ports": (),
    "netstat_time_wait_buckets": (),
    "netstat_time_wait_limit": (),
    "netstat_orphaned_sockets": (),
    "netstat_orphaned_sockets_limit": (),
    "netstat_tcp_memory_bytes": (),
    "netstat_tcp_memory_pressure_bytes": (),
    "netstat_tcp_memory_limit_bytes": (),
    "netstat_time_wait_overflows_total": (),
    "netstat_listen_overflows_total": (),
    "netstat_listen_drops_total": (),
    "netstat_memory_aborts_total": (),
}
"""Families that the rules use and the page does not have yet."""

_OF_PROMETHEUS: Final = {
    "up": (),
    "process_max_fds": (),
    "process_open_fds": (),
    "process_resident_memory_bytes": (),
}
TARGET_LABELS: Final = {"job", "instance"}
CONTRACT: Final[dict[str, tuple[str, ...]]] = (
    PROMISED
    | _OF_PROMETHEUS
    | {family.name: family.labels for family in FAMILIES}
    | {family.name: family.labels for family in OWN_FAMILIES}
)


class Selector(NamedTuple):
    """A metric that an expression reads, and the labels it is chosen by."""

    metric: str
    labels: frozenset[str]


def walk(expression: str) -> Iterator[promql_parser.Expr]:
    """Yield every part of an expression; raises ValueError when it is none."""
    parts: list[promql_parser.Expr] = []
    promql_parser.walk(promql_parser.parse(expression), parts.append)
    yield from parts


def find_selectors(expression: str) -> Iterator[Selector]:
    """Yield every metric in an expression, with the labels of its matchers."""
    for part in walk(expression):
        if isinstance(part, promql_parser.VectorSelector):
            yield Selector(part.name or "", frozenset(matcher.name for matcher in part.matchers.matchers))


def find_grouping_labels(expression: str) -> set[str]:
    """Return the labels that an expression aggregates or matches by."""
    labels: set[str] = set()
    for part in walk(expression):
        if isinstance(part, promql_parser.AggregateExpr) and part.modifier:
            labels.update(part.modifier.labels)
        if isinstance(part, promql_parser.BinaryExpr) and part.modifier:
            labels.update(part.modifier.matching.labels if part.modifier.matching else ())
            labels.update(part.modifier.group_labels or ())
    return labels


def find_strangers(expression: str, known: dict[str, tuple[str, ...]]) -> set[str]:
    """Return what an expression names in vain: unknown metrics, and labels that its metrics do not have."""
    selectors = list(find_selectors(expression))
    strangers = {metric for metric, _ in selectors if metric not in known}
    allowed = set(TARGET_LABELS)
    for metric, labels in selectors:
        allowed |= set(known.get(metric, ()))
        strangers |= {f"{metric}.{label}" for label in labels - TARGET_LABELS - set(known.get(metric, ()))}
    return strangers | (find_grouping_labels(expression) - allowed)
