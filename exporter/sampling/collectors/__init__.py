"""Turn what a pass saw into metrics: a collector in each module.

A collector is deleted with its module, its test, its line in ``COLLECTORS``, and its section of the settings.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from exporter.sampling.collectors.accept_queues import AcceptQueues
from exporter.sampling.collectors.ages import Ages
from exporter.sampling.collectors.closed_connections import ClosedConnections
from exporter.sampling.collectors.collector import Collector
from exporter.sampling.collectors.ephemeral_ports import EphemeralPorts
from exporter.sampling.collectors.idle import Idle
from exporter.sampling.collectors.limits import Limits
from exporter.sampling.collectors.listeners import Listeners
from exporter.sampling.collectors.memory import Memory
from exporter.sampling.collectors.open_files import OpenFiles
from exporter.sampling.collectors.owners import Owners
from exporter.sampling.collectors.peaks import Peaks
from exporter.sampling.collectors.queues import Queues
from exporter.sampling.collectors.sockets import Sockets
from exporter.sampling.collectors.tcp_counters import TcpCounters
from exporter.sampling.collectors.udp_drops import UdpDrops
from exporter.sampling.collectors.unanswered import Unanswered

COLLECTORS: Final[Mapping[str, type[Collector]]] = MappingProxyType(
    {
        made.name: made
        for made in (
            Sockets,
            Queues,
            AcceptQueues,
            Listeners,
            Ages,
            Owners,
            OpenFiles,
            Unanswered,
            Idle,
            EphemeralPorts,
            Limits,
            TcpCounters,
            ClosedConnections,
            Memory,
            UdpDrops,
            Peaks,
        )
    }
)
"""Every collector, in the order of the page, by name."""
