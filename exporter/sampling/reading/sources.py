"""Choose the source of the tables of a protocol, from pass to pass, by cost.

If both sources are available, netlink is tried first: it is never much more expensive, while the text of a
large table may cost a hundred times as much. With few sockets, the cost of a source depends on the machine:
the kernel walks its whole hash, including empty buckets. So both are measured, and the cheaper one is used.
One pass would not tell: the first one is slow, and any may be disturbed.
"""

import math
from typing import Final, NamedTuple

from exporter.config.settings import AUTO, NETLINK, PROCFS

LARGE_ROWS: Final = 2000
SMALL_ROWS: Final = 1000
RETRY_SECONDS: Final = 60
MEASURE_AGAIN_SECONDS: Final = 3600
MEASURED_PASSES: Final = 3
_ADVANTAGE: Final = 0.75
"""The other source replaces the one in use when it costs less than this share of it."""


class NoSourceError(Exception):
    """Neither source gave a table; the message has both reasons."""


class _Cost(NamedTuple):
    """The lowest cost of a source since it was measured again, and the passes that measured it."""

    since: float
    passes: int = 0
    cpu_seconds: float = math.inf


class SourceChoice:
    """The source of the tables of one protocol.

    ``wanted`` is one of SOURCES. ``reachable`` means that netlink and procfs show the same network namespace.
    Times are on the monotonic clock.
    """

    def __init__(self, wanted: str, *, reachable: bool) -> None:
        self._wanted = wanted
        self._reachable = reachable
        self._is_large = True
        self._cheaper = NETLINK
        self._failed_at: dict[str, float] = {}
        self._costs: dict[str, _Cost] = {}

    def choose(self, rows: int | None, now: float) -> str:
        """Return the source to use; ``rows`` is the number to expect, from the kernel's own counters."""
        if not self._reachable:  # netlink would show the sockets of another namespace
            return PROCFS
        preferred = self._choose_by_cost(rows, now) if self._wanted == AUTO else self._wanted
        fallback = other_source(preferred)
        return fallback if not self.may_use(preferred, now) and self.may_use(fallback, now) else preferred

    def may_use(self, source: str, now: float) -> bool:
        """Return whether a source is available and has not failed within the last minute."""
        failed_at = self._failed_at.get(source)
        recovered = failed_at is None or now - failed_at >= RETRY_SECONDS
        return recovered and (source == PROCFS or self._reachable)

    def note_failure(self, source: str, now: float) -> None:
        """Remember that a source failed."""
        self._failed_at[source] = now

    def note_cost(self, source: str, rows: int, cpu_seconds: float, now: float) -> None:
        """Remember the lowest cost of a source, if there are so few rows that either may be cheaper."""
        if rows > LARGE_ROWS:
            return
        known = self._cost_of(source, now)
        self._costs[source] = _Cost(known.since, known.passes + 1, min(known.cpu_seconds, cpu_seconds))

    def _choose_by_cost(self, rows: int | None, now: float) -> str:
        if rows is not None:
            self._is_large = rows > (SMALL_ROWS if self._is_large else LARGE_ROWS)
        if self._is_large:
            return NETLINK
        for source in (NETLINK, PROCFS):
            if self.may_use(source, now) and self._cost_of(source, now).passes < MEASURED_PASSES:
                return source
        candidate = other_source(self._cheaper)
        candidate_seconds, cheaper_seconds = (
            self._cost_of(source, now).cpu_seconds for source in (candidate, self._cheaper)
        )
        if candidate_seconds < _ADVANTAGE * cheaper_seconds:
            self._cheaper = candidate
        return self._cheaper

    def _cost_of(self, source: str, now: float) -> _Cost:
        """Return what is known of the cost of a source, which is nothing after an hour."""
        known = self._costs.get(source, _Cost(now))
        return known if now - known.since < MEASURE_AGAIN_SECONDS else _Cost(now)


def other_source(source: str) -> str:
    """Return the source that is not this one."""
    return PROCFS if source == NETLINK else NETLINK
