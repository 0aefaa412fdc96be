"""Add up the datagrams that UDP sockets dropped, by service port, into counters that never fall."""

from collections.abc import Mapping
from typing import ClassVar, Final, cast

from exporter.config.settings import Settings
from exporter.kernel.rows import Dropping, InetRows, Rows
from exporter.kernel.tables import Detail, Table
from exporter.sampling.collectors.collector import Collector, Pass, Plan
from exporter.sampling.labels import ListenerKey, Metric, Samples
from exporter.sampling.reading.walk import Observer
from exporter.sampling.services.counting import TableCounter
from exporter.sampling.services.drops import DropCounters

_PROTOCOLS: Final = frozenset({"udp", "udplite"})


class UdpDrops(Collector):
    """Adds up the drops of all UDP and UDP-Lite sockets."""

    name = "udp_drops"
    metrics: ClassVar = (
        Metric(
            "netstat_udp_drops_total",
            "Datagrams dropped by UDP sockets because the receive buffer was full or the checksum was wrong "
            "(drops of the kernel's tables), since the second pass.",
            ListenerKey._fields,
        ),
    )
    spans_passes = True

    def __init__(self) -> None:
        self._drops = DropCounters()

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.udp_drops.enabled

    @property
    def needed_details(self) -> Detail:
        """The drops."""
        return Detail.DROPS

    def observe(self, table: Table, counter: TableCounter, plan: Plan) -> Observer | None:
        """Return an observer that finds the sockets that have dropped."""
        del plan
        return DropObserver(counter) if table.protocol in _PROTOCOLS else None

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the drops by port, from the second pass on."""
        for table, observer in seen.observers(self.name):
            dropping = cast("DropObserver", observer).dropping.values()
            self._drops.add(
                table,
                [(each, seen.series.listener_key(table, service)) for each, service in dropping],
                {
                    seen.series.listener_key(table, service)
                    for service in seen.series.tables[table.name].shown
                },
            )
        return {"netstat_udp_drops_total": self._drops.take(seen.now)}


class DropObserver:
    """Finds the sockets of a table that have dropped, with their services; a row may come twice."""

    def __init__(self, counter: TableCounter) -> None:
        self.dropping: dict[tuple[int, int], tuple[Dropping, int]] = {}
        self._counter = counter

    def observe(self, rows: Rows) -> None:
        """Find the sockets that have dropped among some rows."""
        for each in cast("InetRows", rows).dropping():
            service = self._counter.find_service(each.local_port, each.remote_port)
            self.dropping[each.inode, each.local_port] = each, service
