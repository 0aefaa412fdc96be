"""Show the accept queues of TCP listeners: connections waiting for accept(), and their maximum."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from exporter.config.settings import PROCFS, Settings
from exporter.kernel.rows import Listener
from exporter.sampling.collectors.collector import Collector, Pass
from exporter.sampling.labels import ListenerKey, Metric, Samples
from exporter.sampling.services.counts import AcceptQueue


class AcceptQueues(Collector):
    """Adds up accept queues by port, and finds the fullest of each port.

    Procfs does not show the limits. When it is the source, they are read over netlink.
    """

    name = "accept_queues"
    metrics: ClassVar = (
        Metric(
            "netstat_accept_queue_length",
            "Connections waiting for accept() at all listeners of a port (rx_queue of rows in LISTEN).",
            ListenerKey._fields,
        ),
        Metric(
            "netstat_accept_queue_limit",
            "Maximum number of connections waiting for accept() at all listeners of a port (sock_diag).",
            ListenerKey._fields,
        ),
        Metric(
            "netstat_accept_queue_utilization_ratio",
            "Length divided by limit of the fullest accept queue of a single listener at a port (sock_diag).",
            ListenerKey._fields,
        ),
    )
    in_every_namespace = True
    needs_listeners = True

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.accept_queues.enabled

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the accept queues, without limits where netlink is not available."""
        length: dict[tuple[str, ...], float] = {}
        limit: dict[tuple[str, ...], float] = {}
        utilization: dict[tuple[str, ...], float] = {}
        limits = {
            name: _add_up(listeners, seen)
            for name, listeners in seen.listeners.items()
            if seen.readings[name].source == PROCFS
        }
        for table, folded in seen.folded():
            for port, queue in folded.accept_queues.items():
                if not seen.is_host and not queue.waiting:  # there would be thousands
                    continue
                key = seen.series.listener_key(table, port)
                length[key] = queue.waiting
                full = limits.get(table.name, {}).get(port, queue)
                if full.limit is not None:
                    limit[key] = full.limit
                    utilization[key] = full.utilization or 0.0
        return {
            "netstat_accept_queue_length": length,
            "netstat_accept_queue_limit": limit,
            "netstat_accept_queue_utilization_ratio": utilization,
        }


def _add_up(listeners: Iterable[Listener], seen: Pass) -> Mapping[int, AcceptQueue]:
    """Return the queues of listeners whose limits are known, by port."""
    queues: dict[int, AcceptQueue] = {}
    for listener in listeners:
        if listener.limit is not None:
            queues.setdefault(seen.series.fold(listener.port), AcceptQueue()).add(
                listener.waiting, listener.limit
            )
    return queues
