"""Show the established connections that have had no data for long, which a pool keeps, or a program forgot.

The tables do not say it. TCP_INFO does, which makes a dump three times as large, so it is asked for once a
minute. What was found is shown until it is asked for again.
"""

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from exporter.config.settings import Settings
from exporter.kernel.sockdiag import walk_idle
from exporter.kernel.tables import TABLES
from exporter.sampling.collectors.collector import Collector, Pass
from exporter.sampling.labels import IdleKey, Metric, Samples
from exporter.sampling.services.cadence import RepeatedQuestion
from exporter.sampling.services.expiring import ExpiringSet
from exporter.sampling.services.series import SERIES_KEPT_SECONDS


class Group(NamedTuple):
    """What idle connections have in common."""

    table: str
    service: int
    has_keepalive: bool


Found = Counter[Group]


class Idle(Collector):
    """Counts idle connections every now and then, and remembers which series there were recently."""

    name = "idle"
    metrics: ClassVar = (
        Metric(
            "netstat_idle_sockets",
            "Established TCP connections without data sent or received for idle.after, by whether keepalive "
            "probes are on, when last asked for (tcpi_last_data_sent and tcpi_last_data_recv in sock_diag).",
            IdleKey._fields,
        ),
    )

    def __init__(self) -> None:
        self._question = RepeatedQuestion[Found]("idle connections")
        self._after_seconds: float | None = None
        self._seen = ExpiringSet[Group](SERIES_KEPT_SECONDS)

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.idle.enabled

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the last answer by series; a series that was not 0 recently is shown at 0."""
        found = self._ask(seen)
        if found is None:
            return {"netstat_idle_sockets": {}}
        fold = seen.series.fold
        counts = Found()
        for group, number in found.items():
            counts[group._replace(service=fold(group.service))] += number
        self._seen.see(counts, seen.now)
        self._seen.discard(group for group in self._seen if fold(group.service) != group.service)
        return {
            "netstat_idle_sockets": {
                _key_of(group, seen): counts[group] for group in self._seen if group.table in seen.counts
            }
        }

    def _ask(self, seen: Pass) -> Found | None:
        wanted = seen.settings.idle
        is_changed = self._after_seconds not in {None, wanted.after_seconds}
        find_service = seen.find_services()
        if not find_service:
            return None
        self._after_seconds = wanted.after_seconds

        def ask(deadline: float) -> Found:
            return Found(
                Group(table.name, find_service[table.name](local_port, remote_port), has_keepalive)
                for table, sockets in walk_idle(
                    [TABLES[name] for name in find_service], wanted.after_seconds, deadline
                )
                for local_port, remote_port, has_keepalive in sockets
            )

        return self._question.answer(
            seen.reader, seen.settings, wanted.every_seconds, seen.now, ask, at_once=is_changed
        )


def _key_of(group: Group, seen: Pass) -> IdleKey:
    table = TABLES[group.table]
    labels = seen.series.label(table.protocol, group.service)
    return IdleKey(table.protocol, table.family, *labels, "yes" if group.has_keepalive else "no")
