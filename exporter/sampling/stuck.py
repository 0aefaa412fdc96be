"""Tell how long sockets have been in a state: those in it for too long, and the age of the oldest.

The kernel does not say since when. An age starts with the pass that first sees the socket in the state, so it
is too small by what went before, which is at most a pause between passes once the exporter runs.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from exporter.kernel.tables import TABLES
from exporter.sampling.capability import Measures, Pass
from exporter.sampling.watched import Watched

STUCK_SOCKETS: Final = "stuck_sockets"
OLDEST_AGE: Final = "oldest_socket_age_seconds"
UNFOLLOWED: Final = "exporter_stuck_sockets_unfollowed"


class Stuck:
    """Follows the sockets in watched states from pass to pass.

    All it keeps of each is when it was first seen, on the monotonic clock, by its key.
    """

    def __init__(self) -> None:
        self._first_seen: dict[str, dict[int, float]] = {}

    def measure(self, seen: Pass) -> Measures:
        """Return the ages of sockets in the series that have them, zeros included."""
        settings = seen.settings
        self._first_seen = {
            table: followed
            for table, followed in self._first_seen.items()
            if settings.stuck_states and table in settings.tables
        }
        if not settings.stuck_states:
            return {}
        shown = {TABLES[table].family for table in seen.watched}
        stuck: dict[tuple[str, ...], float] = {
            key: 0
            for key in seen.series.sockets
            if key.protocol == "tcp" and key.family in shown and key.state in settings.stuck_states
        }
        oldest = dict(stuck)
        unfollowed = 0
        for table, watched in seen.watched.items():
            followed = Counter(self._follow(table, watched, seen.now, settings.stuck_limit))
            for (place, first_seen), number in followed.items():
                if first_seen is None:
                    unfollowed += number
                    continue
                series, age_seconds = watched.groups[place].series, seen.now - first_seen
                is_stuck = age_seconds > settings.stuck_after_seconds
                stuck[series] = stuck.get(series, 0) + is_stuck * number
                oldest[series] = max(oldest.get(series, 0), age_seconds)
        return {STUCK_SOCKETS: stuck, OLDEST_AGE: oldest, UNFOLLOWED: {(): unfollowed}}

    def _follow(
        self, table: str, watched: Watched, now: float, limit: int
    ) -> Iterator[tuple[int, float | None]]:
        """Yield each socket's place and when it was first seen; None where enough are followed already.

        One that is gone keeps its place until the next pass, so that nothing need be looked at twice.
        """
        before = self._first_seen.get(table, {})
        after = self._first_seen[table] = {}
        limit -= sum(map(len, self._first_seen.values()))
        for key, place in zip(watched.keys, watched.places, strict=True):
            if key in after:  # listed twice
                continue
            first_seen = before.pop(key, None)
            if first_seen is None and len(before) + len(after) < limit:
                first_seen = now
            if first_seen is not None:
                after[key] = first_seen
            yield place, first_seen
