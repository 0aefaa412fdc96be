"""Show the accept queues of TCP's listeners: connections that wait for accept(), and how many may."""

from collections.abc import Mapping
from typing import ClassVar

from exporter.config.settings import PROCFS, Settings
from exporter.kernel.tables import Table
from exporter.sampling.collectors.collector import Collector, Pass
from exporter.sampling.labels import ListenerKey, Metric, Samples
from exporter.sampling.reading.walk import READ_ERRORS
from exporter.sampling.services.counts import AcceptQueue
from exporter.sampling.services.ports import OTHER_PORT


class AcceptQueues(Collector):
    """Adds up accept queues by port, and finds the fullest of each.

    Procfs does not have the limits: where it is the source, the listeners are asked for over netlink.
    """

    name = "listeners"
    metrics: ClassVar = (
        Metric(
            "netstat_accept_queue_length",
            "Connections waiting for accept(), rx_queue of rows in LISTEN, of all listeners of a port.",
            ListenerKey._fields,
        ),
        Metric(
            "netstat_accept_queue_limit",
            "Connections that may wait for accept(), the backlog in sock_diag, of all listeners of a port.",
            ListenerKey._fields,
        ),
        Metric(
            "netstat_accept_queue_utilization_ratio",
            "Length over limit of the fullest accept queue of a port, of one listener, in sock_diag.",
            ListenerKey._fields,
        ),
    )

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Tell whether the settings switch it on."""
        return settings.listeners.enabled

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the accept queues; without netlink there are no limits of them."""
        length: dict[tuple[str, ...], float] = {}
        limit: dict[tuple[str, ...], float] = {}
        utilization: dict[tuple[str, ...], float] = {}
        for table, folded in seen.folded():
            limits = self._ask_limits(table, seen) if folded.accept_queues else {}
            for port, queue in folded.accept_queues.items():
                _, *labels = seen.series.label(table.protocol, port)
                key = ListenerKey(table.protocol, table.family, *labels)
                length[key] = queue.waiting
                full = limits.get(port, queue)
                if full.limit is not None:
                    limit[key] = full.limit
                    utilization[key] = full.utilization or 0.0
        return {
            "netstat_accept_queue_length": length,
            "netstat_accept_queue_limit": limit,
            "netstat_accept_queue_utilization_ratio": utilization,
        }

    @staticmethod
    def _ask_limits(table: Table, seen: Pass) -> Mapping[int, AcceptQueue]:
        """Return the queues as netlink has them, where they were read from procfs."""
        if seen.readings[table.name].source != PROCFS:
            return {}
        try:
            listeners = seen.reader.read_listeners(table)
        except READ_ERRORS:  # which the source of the table shows
            return {}
        queues: dict[int, AcceptQueue] = {}
        for listener in listeners:
            port = listener.port if listener.port in seen.series.own else OTHER_PORT
            queues.setdefault(port, AcceptQueue()).add(listener.waiting, listener.limit)
        return queues
