"""Show the bytes in the send and receive queues of sockets."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from exporter.config.settings import Settings
from exporter.kernel.tables import TABLES
from exporter.sampling.collectors.collector import Collector, Pass
from exporter.sampling.labels import Metric, QueueKey, Samples
from exporter.sampling.services.counts import EMPTY, RECEIVE_QUEUE, SEND_QUEUE
from exporter.sampling.services.expiring import ExpiringSet
from exporter.sampling.services.series import SERIES_KEPT_SECONDS

_NAMES: Final = MappingProxyType(
    {RECEIVE_QUEUE: "netstat_receive_queue_bytes", SEND_QUEUE: "netstat_send_queue_bytes"}
)


class Queues(Collector):
    """Adds up queues by service, and remembers which were not empty recently."""

    name = "queues"
    metrics: ClassVar = (
        Metric(
            "netstat_receive_queue_bytes",
            "Bytes received that the program has not read yet, at sockets that do not listen (rx_queue of "
            "the kernel's tables); for UDP, the kernel memory that holds them.",
            QueueKey._fields,
        ),
        Metric(
            "netstat_send_queue_bytes",
            "Bytes sent that the other side has not acknowledged yet, at sockets that do not listen "
            "(tx_queue of the kernel's tables).",
            QueueKey._fields,
        ),
    )

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.queues.enabled

    def __init__(self) -> None:
        self._seen = ExpiringSet[tuple[str, int, int]](SERIES_KEPT_SECONDS)

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the bytes in both queues; a queue that was not empty recently is shown at 0."""
        filled = {
            (table.name, service, place)
            for table, folded in seen.folded()
            for service, tally in folded.tallies.items()
            for place in _NAMES
            if tally[place]
        }
        self._seen.see(filled, seen.now)
        found: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in _NAMES.values()}
        for name, service, place in self._seen:
            if (folded := seen.series.tables.get(name)) and seen.series.fold(service) == service:
                table = TABLES[name]
                key = QueueKey(table.protocol, table.family, *seen.series.label(table.protocol, service))
                found[_NAMES[place]][key] = folded.tallies.get(service, EMPTY)[place]
        return found
