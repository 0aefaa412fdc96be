"""Show how long sockets have been in a tracked state: the number of stuck ones, and the age of the oldest.

The kernel does not say since when a socket is in its state. An age starts with the pass that first sees the
socket in the state, so it is too small by at most an interval. Sockets that were there when the exporter
started have the time since the last segment from the other end, which is a lower bound.
"""

from collections.abc import Mapping
from typing import ClassVar

from exporter.config.settings import Settings
from exporter.kernel.tables import TABLES
from exporter.sampling.collectors.collector import Collector, Pass
from exporter.sampling.labels import Metric, Samples, SocketKey


class Ages(Collector):
    """Computes the ages of the cohorts of tracked sockets."""

    name = "ages"
    metrics: ClassVar = (
        Metric(
            "netstat_stuck_sockets",
            "Sockets in a tracked state for longer than ages.stuck_after, since the exporter first saw them "
            "there; of those that it found over netlink at its start, since the last segment from the other "
            "end (tcpi_last_ack_recv).",
            SocketKey._fields,
        ),
        Metric(
            "netstat_oldest_socket_age_seconds",
            "Age of the oldest socket in a tracked state, since the exporter first saw it there; of those "
            "that it found over netlink at its start, since the last segment from the other end "
            "(tcpi_last_ack_recv).",
            SocketKey._fields,
        ),
        Metric(
            "netstat_exporter_untracked_sockets",
            "Sockets in tracked states whose age is not known because there are more than tracked.limit.",
        ),
    )
    in_every_namespace = True
    changes_with_time = True
    needs_tracked = True
    spans_passes = True

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.ages.enabled

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return stuck sockets and the oldest age by series, including zeros."""
        wanted = seen.settings.tracked.states
        stuck: dict[tuple[str, ...], float] = {
            seen.series.key(table, service, state): 0
            for table, folded in seen.folded()
            if table.name in seen.tracked
            for service, states in folded.shown.items()
            for state in states
            if table.states.get(state) in wanted
        }
        oldest = dict(stuck)
        untracked = 0
        for name, tracked in seen.tracked.items():
            for (service, state, cohort), number in tracked.groups.items():
                key = seen.series.key(TABLES[name], service, state)
                stuck.setdefault(key, 0)
                oldest.setdefault(key, 0)
                if cohort.first_seen is None:
                    untracked += number
                    continue
                age_seconds = seen.now - cohort.first_seen
                stuck[key] += number if age_seconds > seen.settings.ages.stuck_after_seconds else 0
                oldest[key] = max(oldest[key], age_seconds)
        return {
            "netstat_stuck_sockets": stuck,
            "netstat_oldest_socket_age_seconds": oldest,
            "netstat_exporter_untracked_sockets": {(): untracked},
        }
