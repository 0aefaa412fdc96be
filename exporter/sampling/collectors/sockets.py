"""Show the counts of sockets by state and service port."""

from collections.abc import Mapping
from typing import ClassVar

from exporter.config.settings import Settings
from exporter.sampling.collectors.collector import Collector, Pass
from exporter.sampling.labels import Metric, Samples, SocketKey
from exporter.sampling.services.counts import EMPTY
from exporter.sampling.services.series import states_of


class Sockets(Collector):
    """Labels the counts of every table; it is always enabled."""

    name = "sockets"
    metrics: ClassVar = (
        Metric(
            "netstat_sockets",
            "Sockets in the kernel's tables, by state and by the port at the service's end.",
            SocketKey._fields,
        ),
        Metric(
            "netstat_exporter_ports_folded",
            "Ports whose sockets are counted with port other because there are more than ports.limit.",
        ),
        Metric(
            "netstat_exporter_sockets_folded",
            "Sockets that are counted with port other because there are more ports than ports.limit.",
        ),
    )
    in_every_namespace = True

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return True."""
        del settings
        return True

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the counts, whose sum over a table is the number of its rows, and how many are folded."""
        sockets: dict[tuple[str, ...], float] = {
            seen.series.key(table, service, state): folded.tallies.get(service, EMPTY)[state]
            for table, folded in seen.folded()
            for service in folded.shown.keys() | folded.tallies.keys()
            for state in states_of(folded, service)
        }
        return {
            "netstat_sockets": sockets,
            "netstat_exporter_ports_folded": {(): seen.series.folded_ports},
            "netstat_exporter_sockets_folded": {(): seen.series.folded_sockets},
        }
