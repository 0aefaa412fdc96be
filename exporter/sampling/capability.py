"""What a capability beyond counting is: it looks at a pass that was counted, and measures something more."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol, TypeVar

from exporter.kernel.netlink import Reason, SockDiagError, ask_twice_if_busy
from exporter.kernel.procfs import Procfs
from exporter.sampling.counting import TableCount
from exporter.sampling.series import Series
from exporter.sampling.settings import Settings
from exporter.sampling.sources import NETLINK
from exporter.sampling.watched import Watched

T = TypeVar("T")

Measures = Mapping[str, Mapping[tuple[str, ...], float]]
"""Values by label values, by the name of what was measured: that of its metric without ``netstat_``."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass over the tables, those counted that could be read; times are on the monotonic clock.

    Until the ``deadline`` capabilities may, all together, look at tables once more. ``sources`` is by what
    the tables were read. ``watched`` has by table the sockets in watched states, one by one, where they could
    be read.
    """

    settings: Settings
    procfs: Procfs
    sources: Mapping[str, str]
    counts: Mapping[str, TableCount]
    series: Series
    watched: Mapping[str, Watched]
    now: float
    deadline: float

    def look(self, table: str, ask: Callable[[float], T], parse: Callable[[Iterable[bytes]], T]) -> T:
        """Look once more at a table that was counted, by the source that it was counted by.

        ``ask`` looks over netlink, until the deadline; where that is of no use, or fails, ``parse`` makes the
        same of the table's text in blocks of whole lines. Raises ProcfsError, SockDiagError.
        """
        if self.sources[table] == NETLINK:
            try:
                return ask_twice_if_busy(lambda: ask(self.deadline))
            except SockDiagError as error:
                if error.reason is Reason.TIMEOUT:  # over procfs it would take longer still
                    raise
        with closing(self.procfs.read_blocks(table, self.deadline) or _no_blocks()) as blocks:
            return parse(blocks)


def _no_blocks() -> Generator[bytes, None, None]:
    yield from ()


class Capability(Protocol):
    """Measures something more at every pass, and may remember from one to the next."""

    def measure(self, seen: Pass) -> Measures:
        """Return what was measured, nothing when the settings switch it off; may raise anything."""
