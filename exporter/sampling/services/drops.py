"""Add up what sockets dropped, by service port, into counters that never fall.

The kernel counts drops by socket, and forgets them with the socket. What a socket has dropped since the last
pass is added to the counter of its port. What it had dropped before the first pass is not added: an earlier
run may have counted it. Only sockets that dropped are remembered.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from exporter.kernel.rows import Dropping
from exporter.kernel.tables import Table
from exporter.sampling.labels import ListenerKey
from exporter.sampling.services.expiring import ExpiringSet
from exporter.sampling.services.series import SERIES_KEPT_SECONDS

SOCKETS_KEPT_PASSES: Final = 12  # procfs misses some of the rows of a table that changes


class DropCounters:
    """The counters of several tables; a series that was not shown for an hour ends."""

    def __init__(self) -> None:
        self._sockets: dict[str, SocketDrops] = {}
        self._shown = ExpiringSet[ListenerKey](SERIES_KEPT_SECONDS)
        self._totals = Counter[ListenerKey]()
        self._new: set[ListenerKey] = set()
        self._families: set[tuple[str, str]] = set()

    def add(
        self,
        table: Table,
        dropping: Sequence[tuple[Dropping, ListenerKey]],
        shown: Collection[ListenerKey],
    ) -> None:
        """Add what the sockets of a table dropped in this pass; ``shown`` are its series, also those at 0."""
        is_first = table.name not in self._sockets
        drops = self._sockets.setdefault(table.name, SocketDrops()).note([each for each, _ in dropping])
        if is_first:
            return
        self._families.add((table.protocol, table.family))
        self._new.update(shown)
        for (_, key), number in zip(dropping, drops, strict=True):
            self._new.add(key)
            self._totals[key] += number

    def take(self, now: float) -> Mapping[tuple[str, ...], float]:
        """Return the counters of the tables added since the last call, and start over."""
        self._shown.see(self._new, now)
        for key in self._totals.keys() - set(self._shown):
            del self._totals[key]
        families, self._families, self._new = self._families, set(), set()
        return {key: self._totals.get(key, 0) for key in self._shown if key[:2] in families}


class SocketDrops:
    """Remembers the drops of each socket of a table, until many passes have missed the socket.

    A socket is identified by inode and port, which both sources have, so that the source may change. If both
    readings were over netlink, the cookie distinguishes it from a later socket with the same inode.
    """

    def __init__(self) -> None:
        self._passes = 0
        self._seen: dict[tuple[int, int], tuple[int, Dropping]] = {}

    def note(self, dropping: Sequence[Dropping]) -> list[int]:
        """Return what each socket has dropped since it was last seen."""
        new = [each.drops - self._known_drops(each) for each in dropping]
        self._passes += 1
        self._seen.update({(each.inode, each.local_port): (self._passes, each) for each in dropping})
        oldest = self._passes - SOCKETS_KEPT_PASSES
        self._seen = {key: seen for key, seen in self._seen.items() if seen[0] >= oldest}
        return new

    def _known_drops(self, socket: Dropping) -> int:
        _, last = self._seen.get((socket.inode, socket.local_port), (0, None))
        if last is None or last.drops > socket.drops:
            return 0
        return 0 if socket.cookie and last.cookie not in {0, socket.cookie} else last.drops
