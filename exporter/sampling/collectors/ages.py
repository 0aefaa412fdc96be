"""Show how long sockets have been in a tracked state: the number of stuck ones, and the age of the oldest.

The kernel does not say since when a socket is in its state. An age starts with the pass that first sees the
socket in the state, so it is too small by at most an interval. Of sockets that were there before, it is the
time since their last segment from the other end, a lower bound, where the kernel gives it; see ``tracking``.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from exporter.config.settings import Settings
from exporter.kernel.tables import Table
from exporter.sampling.collectors.collector import Collector, Pass
from exporter.sampling.labels import Metric, Samples, SocketKey
from exporter.sampling.services.series import Folded


class Ages(Collector):
    """Computes the ages of the cohorts of tracked sockets."""

    name = "ages"
    metrics: ClassVar = (
        Metric(
            "netstat_stuck_sockets",
            "Sockets in a tracked state for longer than ages.stuck_after, counted from when the exporter "
            "first saw them there, or from their last segment from the other end (tcpi_last_ack_recv of "
            "sock_diag) if they were there when it started.",
            SocketKey._fields,
        ),
        Metric(
            "netstat_oldest_socket_age_seconds",
            "Age of the oldest socket in a tracked state, counted from when the exporter first saw it there, "
            "or from its last segment from the other end (tcpi_last_ack_recv of sock_diag) if it was there "
            "when the exporter started.",
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
        """Return stuck sockets and the oldest age by series, including zeros.

        Sockets that are there when a state is first tracked may be older than they seem. Unless the kernel
        says how old they are, the state has no oldest age in that pass, and no number of stuck sockets until
        ages.stuck_after is over. One table is enough to leave out all, as both families are added up.
        """
        stuck_after = seen.settings.ages.stuck_after_seconds
        with_age, with_stuck = _find_known_for(seen, 0), _find_known_for(seen, stuck_after)
        stuck: dict[tuple[str, ...], float] = {}
        oldest: dict[tuple[str, ...], float] = {}
        untracked = 0
        for table, folded in seen.folded():
            if (tracked := seen.tracked.get(table.name)) is None:
                continue
            oldest |= dict.fromkeys(_zeros(seen, table, folded, with_age), 0)
            stuck |= dict.fromkeys(_zeros(seen, table, folded, with_stuck), 0)
            for (service, state, cohort), number in tracked.groups.items():
                if cohort.first_seen is None:
                    untracked += number
                    continue
                key = seen.series.key(table, service, state)
                age_seconds = seen.now - cohort.first_seen
                if state in with_age:
                    oldest[key] = max(oldest.get(key, 0), age_seconds)
                if state in with_stuck:
                    stuck[key] = stuck.get(key, 0) + (number if age_seconds > stuck_after else 0)
        return {
            "netstat_stuck_sockets": stuck,
            "netstat_oldest_socket_age_seconds": oldest,
            "netstat_exporter_untracked_sockets": {(): untracked},
        }


def _find_known_for(seen: Pass, seconds: float) -> set[int]:
    """Return the states whose ages every table has known for longer than so many seconds."""
    since: dict[int, float] = {}
    for tracked in seen.tracked.values():
        for state, at in tracked.known_since.items():
            since[state] = max(since.get(state, at), at)
    return {state for state, at in since.items() if seen.now - at > seconds}


def _zeros(seen: Pass, table: Table, folded: Folded, states: set[int]) -> Iterator[tuple[str, ...]]:
    """Yield the series of some states that are shown even where no socket is in them."""
    for service, shown in folded.shown.items():
        yield from (seen.series.key(table, service, state) for state in states.intersection(shown))
