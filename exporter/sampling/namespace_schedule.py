"""Decide which network namespaces a pass reads, and in which order."""

import math
from collections.abc import Sequence
from typing import Final

from exporter.sampling.other_namespace import OtherNamespace

_SPREAD: Final = 1.25
"""How much sooner than necessary those are read again in which nothing changes."""


class Schedule:
    """Knows how many of those in which nothing changes are due by now."""

    def __init__(self) -> None:
        self._unchanged_due = 0.0
        self._passed_at = -math.inf

    def choose(
        self, namespaces: Sequence[OtherNamespace], max_age_seconds: float, ports_limit: int, now: float
    ) -> Sequence[OtherNamespace]:
        """Return what to read, in that order: what has changed, and a share of the rest.

        What shows more than ``ports_limit`` ports has changed, too. ``now`` is on the monotonic clock. The
        one that was tried the longest ago comes first.
        """
        due: list[OtherNamespace] = []
        unchanged: list[OtherNamespace] = []
        for each in namespaces:
            if each.access_error is not None or each.is_gone:
                continue
            if each.is_changed(ports_limit, now):
                due.append(each)
            elif each.error is None:
                unchanged.append(each)
        unchanged.sort(key=lambda each: (each.tried_at, each.number))
        aged = sum(now - each.read_at >= max_age_seconds for each in unchanged)
        passed_seconds = now - self._passed_at if self._passed_at > -math.inf else 0.0
        self._unchanged_due = min(
            self._unchanged_due + _SPREAD * passed_seconds / max_age_seconds * len(namespaces),
            len(namespaces),
        )
        spread = max(int(self._unchanged_due), aged)
        self._unchanged_due = max(self._unchanged_due - spread, 0.0)
        due += unchanged[:spread]
        self._passed_at = now
        return sorted(due, key=lambda each: (each.tried_at, each.number))
