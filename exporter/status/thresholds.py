"""List the thresholds of the alerts, so that what is shown as wrong is what Prometheus alerts on.

A test compares every line with the rules. An alert fires when its condition lasts; here it is exceeded now.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from exporter.status.severity import CRITICAL, WARNING

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
}


class Threshold(NamedTuple):
    """A number that an alert compares a series with.

    ``operator`` and ``value`` stand in its expression behind ``series``, which is a metric or a record.
    """

    alert: str
    severity: str
    series: str
    operator: str
    value: float

    def is_exceeded(self, value: float | None) -> bool:
        """Return whether a value is on the side of the alert; one that is not known is not."""
        if value is None:
            return False
        return _OPERATORS[self.operator](value, self.value)


class Share(NamedTuple):
    """Another number of an alert, such as a share that its first number must also be of something."""

    alert: str
    value: float


_STUCK: Final = "instance_port_state:netstat_stuck_sockets:sum"
_FILES: Final = "instance_owner:netstat_owner_open_files:ratio"
_DESTINATION: Final = "instance_port:netstat_ephemeral_ports_busiest_destination:ratio"
_BOUND: Final = "instance_protocol:netstat_ephemeral_ports_bound:ratio"
_QUEUE: Final = "instance_port:netstat_accept_queue_utilization_ratio:max"
_UNANSWERED: Final = "instance_port:netstat_unanswered_sockets:sum"
_UNANSWERED_STATE: Final = "instance_port_state:netstat_unanswered_sockets:sum"

LEAK: Final = Threshold("NetstatCloseWaitLeak", WARNING, _STUCK, ">", 20)
LEAK_OF_OWNER: Final = Threshold("NetstatCloseWaitLeak", CRITICAL, "netstat_owner_sockets", ">", 20)
LEAK_FILES: Final = Threshold("NetstatCloseWaitLeak", CRITICAL, _FILES, ">", 0.8)
LEAK_LARGE: Final = Threshold("NetstatCloseWaitLeak", CRITICAL, _STUCK, ">", 500)

FILES_OUT: Final = Threshold("NetstatOpenFilesRunningOut", WARNING, _FILES, ">", 0.8)
FILES_FILLING: Final = Threshold("NetstatOpenFilesFillingUp", WARNING, _FILES, ">", 0.4)

DESTINATION: Final = (
    Threshold("NetstatEphemeralPortsRunningOut", CRITICAL, _DESTINATION, ">", 0.9),
    Threshold("NetstatEphemeralPortsRunningOut", WARNING, _DESTINATION, ">", 0.7),
)
DESTINATION_FILLING: Final = Threshold("NetstatEphemeralPortsFillingUp", WARNING, _DESTINATION, ">", 0.35)
BOUND: Final = (
    Threshold("NetstatBoundPortsRunningOut", CRITICAL, _BOUND, ">", 0.9),
    Threshold("NetstatBoundPortsRunningOut", WARNING, _BOUND, ">", 0.7),
)
TIME_WAIT: Final = Threshold(
    "NetstatTimeWaitTableFilling", WARNING, "instance:netstat_time_wait_buckets:ratio", ">", 0.8
)
QUEUE: Final = (
    Threshold("NetstatAcceptQueueFilling", CRITICAL, _QUEUE, ">=", 1),
    Threshold("NetstatAcceptQueueFilling", WARNING, _QUEUE, ">", 0.5),
)
SYN_RECV: Final = Threshold(
    "NetstatSynRecvPileUp", WARNING, "instance_port_state:netstat_sockets:sum", ">", 20
)
ORPHANS: Final = Threshold(
    "NetstatOrphansNearLimit", WARNING, "instance:netstat_orphaned_sockets:ratio", ">", 0.5
)
MEMORY: Final = Threshold(
    "NetstatTcpMemoryPressure", CRITICAL, "instance:netstat_tcp_memory_bytes:ratio", ">", 5 / 6
)

TIME_WAIT_OVERFLOWS: Final = Threshold(
    "NetstatTimeWaitOverflow", WARNING, "instance:netstat_time_wait_overflows:rate5m", ">", 0.1
)
LISTEN_OVERFLOWS: Final = Threshold(
    "NetstatAcceptQueueOverflow", WARNING, "instance:netstat_listen_overflows:rate5m", ">", 0.1
)
MEMORY_ABORTS: Final = Threshold(
    "NetstatMemoryAborts", WARNING, "instance:netstat_memory_aborts:rate5m", ">", 0.05
)
UDP_DROPS: Final = Threshold("NetstatUdpDrops", WARNING, "instance_port:netstat_udp_drops:rate5m", ">", 1)
UDP_DROPS_UNREAD: Final = Threshold(
    "NetstatUdpDrops", WARNING, "instance_port:netstat_udp_drops:rate5m", ">", 1 / 60
)

VANISHED: Final = {
    "outbound": Threshold("NetstatPeersVanished", WARNING, _UNANSWERED, ">", 4),
    "inbound": Threshold("NetstatPeersVanished", WARNING, _UNANSWERED, ">", 20),
}
UNANSWERED_CONNECTS: Final = Threshold("NetstatConnectsUnanswered", WARNING, _UNANSWERED_STATE, ">", 4)

UNTRACKED: Final = Threshold("NetstatSocketsUntracked", WARNING, "netstat_exporter_untracked_sockets", ">", 0)
NAMESPACES_UNREAD: Final = Threshold(
    "NetstatNamespacesUnread", WARNING, "netstat_exporter_network_namespaces", ">", 0
)
NAMESPACES_OLD: Final = Threshold(
    "NetstatNamespacesUnread",
    WARNING,
    "netstat_exporter_network_namespace_oldest_reading_age_seconds",
    ">",
    900,
)
TABLE: Final = Threshold("NetstatTableFailing", WARNING, "netstat_exporter_table_success", "<", 0.5)
COLLECTOR: Final = Threshold(
    "NetstatCollectorFailing", WARNING, "netstat_exporter_collector_success", "<", 0.5
)
RELOAD: Final = Threshold(
    "NetstatConfigReloadFailed", WARNING, "netstat_exporter_config_last_reload_successful", "==", 0
)

STALE: Final = Threshold("NetstatSnapshotStale", WARNING, "netstat_exporter_snapshot_age_seconds", ">", 60)
STALE_PASSES: Final = Share("NetstatSnapshotStale", 10)
"""A snapshot may be older by so many intervals and passes."""

LEAK_SHARE: Final = Share("NetstatCloseWaitLeak", 0.01)
"""Stuck sockets for each established connection, up to which a leak is none."""
LEAK_GROWTH: Final = Share("NetstatCloseWaitLeak", 0.05)
LEAK_GROWTH_SOCKETS: Final = Share("NetstatCloseWaitLeak", 100)
"""A large leak grows in an hour by this share of its sockets, or by so many."""
FILES_SECONDS: Final = Share("NetstatOpenFilesFillingUp", 4 * 3600)
"""Open files that run out within this time make a leak critical, and fill up."""
DESTINATION_SECONDS: Final = Share("NetstatEphemeralPortsFillingUp", 2 * 3600)
SHARED_PORTS: Final = Share("NetstatBoundPortsRunningOut", 1.5)
"""Outbound connections for each bound port, from which on TCP shares its ports."""
QUEUE_LEAST: Final = Share("NetstatAcceptQueueFilling", 3)
"""Fewer connections that wait are no problem."""
SYN_RECV_SHARE: Final = Share("NetstatSynRecvPileUp", 0.5)
"""Of the backlog."""
VANISHED_SHARE: Final = {
    "outbound": Share("NetstatPeersVanished", 0.05),
    "inbound": Share("NetstatPeersVanished", 0.5),
}
"""Of established connections; as the next one."""
CONNECTS_SHARE: Final = Share("NetstatConnectsUnanswered", 0.2)
TIME_WAIT_OVERFLOWS_SHARE: Final = Share("NetstatTimeWaitOverflow", 0.01 / 60)
"""Of the connections in TIME_WAIT, in a second."""
LISTEN_OVERFLOWS_SHARE: Final = Share("NetstatAcceptQueueOverflow", 1 / 10_000)
"""Of established inbound connections, in a second."""
MEMORY_ABORTS_SHARE: Final = Share("NetstatMemoryAborts", 1 / 100_000)
"""Of established connections, in a second."""
