"""Show the kernel's own counters of TCP connections: of the network namespace, without ports.

Source: RFC 4022, "Management Information Base for TCP".
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from exporter.config.settings import Settings
from exporter.kernel.counters import Numbers, parse_pairs
from exporter.kernel.procfs import Procfs
from exporter.sampling.collectors.collector import Collector, Pass
from exporter.sampling.labels import Metric, Samples

_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "netstat_tcp_connections_opened_total": "ActiveOpens",
        "netstat_tcp_connections_accepted_total": "PassiveOpens",
        "netstat_tcp_connection_attempts_failed_total": "AttemptFails",
        "netstat_tcp_connections_reset_total": "EstabResets",
        "netstat_tcp_segments_sent_total": "OutSegs",
        "netstat_tcp_segments_retransmitted_total": "RetransSegs",
    }
)


class TcpCounters(Collector):
    """Reads the counters at every pass."""

    name = "tcp_counters"
    metrics: ClassVar = (
        Metric(
            "netstat_tcp_connections_opened_total",
            "TCP connections that programs of this host began to open (ActiveOpens in /proc/net/snmp).",
        ),
        Metric(
            "netstat_tcp_connections_accepted_total",
            "TCP connections that the kernel received for listeners (PassiveOpens in /proc/net/snmp).",
        ),
        Metric(
            "netstat_tcp_connection_attempts_failed_total",
            "TCP connections, inbound and outbound, that ended before they were established (AttemptFails in "
            "/proc/net/snmp).",
        ),
        Metric(
            "netstat_tcp_connections_reset_total",
            "TCP connections that went from ESTABLISHED or CLOSE_WAIT straight to CLOSED: resets from either "
            "side, and timeouts (EstabResets in /proc/net/snmp).",
        ),
        Metric(
            "netstat_tcp_segments_sent_total",
            "TCP segments sent, without those that were sent again (OutSegs in /proc/net/snmp).",
        ),
        Metric(
            "netstat_tcp_segments_retransmitted_total",
            "TCP segments sent again because they were not acknowledged (RetransSegs in /proc/net/snmp).",
        ),
    )

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.tcp_counters.enabled

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the counters that the kernel shows."""
        numbers = seen.reader.read(self.name, read_counters)
        return {metric: {(): numbers[name]} for metric, name in _NAMES.items() if name in numbers}


def read_counters(procfs: Procfs) -> Numbers:
    """Return TCP's numbers in snmp; raises ProcfsError."""
    return parse_pairs(procfs.read_net("snmp") or b"", "Tcp")
