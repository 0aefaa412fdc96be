"""What a capability beyond counting is: it looks at a pass that was counted, and measures something more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from exporter.kernel.procfs import Procfs
from exporter.sampling.counting import TableCount
from exporter.sampling.series import Series
from exporter.sampling.settings import Settings
from exporter.sampling.watched import Watched

Measures = Mapping[str, Mapping[tuple[str, ...], float]]
"""Values by label values, by the name of what was measured: that of its metric without ``netstat_``."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass over the tables, those counted that could be read; ``now`` is on the monotonic clock.

    ``netlink_reachable`` is whether netlink shows the network namespace that ``procfs`` does. ``watched`` has
    by table the sockets in watched states, one by one, where they could be read.
    """

    settings: Settings
    procfs: Procfs
    netlink_reachable: bool
    counts: Mapping[str, TableCount]
    series: Series
    watched: Mapping[str, Watched]
    now: float


class Capability(Protocol):
    """Measures something more at every pass, and may remember from one to the next."""

    def measure(self, seen: Pass) -> Measures:
        """Return what was measured, nothing when the settings switch it off; may raise anything."""
