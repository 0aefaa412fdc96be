"""Show the bytes that wait in the queues of sockets."""

from collections.abc import Mapping
from typing import ClassVar

from exporter.config.settings import Settings
from exporter.sampling.collectors.collector import Collector, Pass
from exporter.sampling.labels import Metric, QueueKey, Samples
from exporter.sampling.services.counting import EMPTY, RECEIVE_QUEUE, SEND_QUEUE


class Queues(Collector):
    """Adds up queues by service, of services that have or lately had sockets that do not listen."""

    name = "queues"
    metrics: ClassVar = (
        Metric(
            "netstat_receive_queue_bytes",
            "Bytes received that the program has not read yet, rx_queue of the kernel's tables, of "
            "sockets not "
            "listening; for UDP the kernel memory that holds them.",
            QueueKey._fields,
        ),
        Metric(
            "netstat_send_queue_bytes",
            "Bytes sent that the other side has not acknowledged yet, tx_queue of the kernel's tables, of "
            "sockets "
            "not listening.",
            QueueKey._fields,
        ),
    )

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Tell whether the settings switch it on."""
        return settings.queues.enabled

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the bytes in both queues."""
        receive: dict[tuple[str, ...], float] = {}
        send: dict[tuple[str, ...], float] = {}
        for table, folded in seen.folded():
            if table.protocol == "unix":
                continue
            for service in folded.used:
                key = QueueKey(table.protocol, table.family, *seen.series.label(table.protocol, service))
                tally = folded.tallies.get(service, EMPTY)
                receive[key], send[key] = tally[RECEIVE_QUEUE], tally[SEND_QUEUE]
        return {"netstat_receive_queue_bytes": receive, "netstat_send_queue_bytes": send}
