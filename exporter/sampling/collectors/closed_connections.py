"""Show what closed connections have transferred, by service, from an event of the kernel for each of them.

The tables show what is open. A connection that begins and ends between two passes is in none of them; the
kernel's event has it, with all that it has sent, received and sent again.
"""

from collections.abc import Mapping
from typing import ClassVar, Final

from exporter.config.settings import Settings
from exporter.kernel.close_events import CloseEvents
from exporter.kernel.inet_requests import FAMILIES
from exporter.kernel.tables import TABLES, Table
from exporter.sampling.collectors.collector import Collector, Pass
from exporter.sampling.labels import Metric, QueueKey, Samples
from exporter.sampling.reading.event_reader import EventReader
from exporter.sampling.services.closings import ClosingCounts
from exporter.sampling.services.series import Series

_TCP: Final = tuple(table for table in TABLES.values() if table.protocol == "tcp")
_TABLES: Final[Mapping[int, Table]] = {FAMILIES[table.family]: table for table in _TCP}
_NAMES: Final = (
    "netstat_connections_closed_total",
    "netstat_connections_closed_sent_bytes_total",
    "netstat_connections_closed_received_bytes_total",
    "netstat_connections_closed_sent_segments_total",
    "netstat_connections_closed_retransmitted_segments_total",
)
"""In the order of the fields of Closings."""


class ClosedConnections(Collector):
    """Subscribes to the events, and adds them up on a thread of its own until it is closed."""

    name = "closed_connections"
    metrics: ClassVar = (
        Metric(
            _NAMES[0],
            "TCP connections that were established and have been closed (sock_diag's event when a socket is "
            "destroyed).",
            QueueKey._fields,
        ),
        Metric(
            _NAMES[1],
            "Bytes of data that closed TCP connections had sent, each once (tcpi_bytes_sent less "
            "tcpi_bytes_retrans in sock_diag's event when a socket is destroyed).",
            QueueKey._fields,
        ),
        Metric(
            _NAMES[2],
            "Bytes of data that closed TCP connections had received; the end of a stream (FIN) may count as "
            "one more (tcpi_bytes_received in sock_diag's event when a socket is destroyed).",
            QueueKey._fields,
        ),
        Metric(
            _NAMES[3],
            "Segments that closed TCP connections had sent, without those that were sent again "
            "(tcpi_segs_out less tcpi_total_retrans in sock_diag's event when a socket is destroyed).",
            QueueKey._fields,
        ),
        Metric(
            _NAMES[4],
            "Segments that closed TCP connections had sent again because they were not acknowledged "
            "(tcpi_total_retrans in sock_diag's event when a socket is destroyed).",
            QueueKey._fields,
        ),
        Metric(
            "netstat_exporter_close_events_total",
            "Events of destroyed TCP sockets by outcome: connection, aborted (by its own program, with its "
            "traffic lost), failed (never established), unconnected (listeners, unused sockets), malformed "
            "(sock_diag's event when a socket is destroyed).",
            ("outcome",),
        ),
        Metric(
            "netstat_exporter_close_events_lost_total",
            "Events of destroyed TCP sockets that are missing in all counts, because the exporter did not "
            "read them in time (SK_MEMINFO_DROPS of its netlink socket).",
        ),
        Metric(
            "netstat_exporter_close_events_sampling_ratio",
            "Share of the events of destroyed TCP sockets that is read: 1, or less while all would cost more "
            "than closed_connections.cpu_budget; then each stands for several, and counts are estimates.",
        ),
        Metric(
            "netstat_exporter_close_events_cpu_seconds_total",
            "CPU time that reading the events of destroyed TCP sockets took, user and system.",
        ),
    )
    spans_passes = True

    def __init__(self) -> None:
        self._counts = ClosingCounts()
        self._events = EventReader(self._counts.add)
        self._series: Series | None = None

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.closed_connections.enabled

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the sums by series, from when the tables were read for the first time."""
        readings = [seen.readings[table.name] for table in _TCP if table.name in seen.readings]
        if readings and not any(reading.error for reading in readings):  # else the last pass still decides
            self._series = seen.series
            self._counts.follow(
                {int(FAMILIES[TABLES[name].family]): each for name, each in seen.find_directions().items()},
                seen.series.own,
            )
        if not readings or self._series is None:
            return {}
        self._keep_reading(seen)
        return self._label(self._series)

    def close(self) -> None:
        """Let the thread end."""
        self._events.stop()

    def _keep_reading(self, seen: Pass) -> None:
        """Subscribe, if it has not; raises why that failed, or what ended the last subscription."""
        share = seen.settings.closed_connections.cpu_budget
        if error := self._events.take_error():
            raise error
        if self._events.is_reading:
            self._events.change_share(share)
            return
        # Without the module tcp_diag there would be no events, and no error either.
        seen.reader.read_listeners(_TCP[0])
        self._events.start(seen.reader.read("close events", lambda _: CloseEvents()), share)

    def _label(self, series: Series) -> Mapping[str, Samples]:
        shown = (
            (family, service)
            for family, table in _TABLES.items()
            if table.name in series.tables
            for service in series.tables[table.name].shown
        )
        found = {
            QueueKey(
                _TABLES[family].protocol,
                _TABLES[family].family,
                *series.label(_TABLES[family].protocol, service),
            ): sums
            for (family, service), sums in self._counts.take(shown).items()
        }
        return {
            **{name: {key: sums[place] for key, sums in found.items()} for place, name in enumerate(_NAMES)},
            "netstat_exporter_close_events_total": {
                (outcome,): number for outcome, number in self._counts.take_events().items()
            },
            "netstat_exporter_close_events_lost_total": {(): self._events.lost},
            "netstat_exporter_close_events_sampling_ratio": {(): 1 / self._events.one_in},
            "netstat_exporter_close_events_cpu_seconds_total": {(): self._events.cpu_seconds},
        }
