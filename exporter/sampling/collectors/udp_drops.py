"""Add up the datagrams that UDP sockets dropped, by service port, into counters that never fall.

The kernel counts drops by socket, and forgets them with the socket. What a socket has dropped since the last
pass is added to the counter of its port. What it had dropped before the first pass is not added: an earlier
run may have counted it. Only sockets that dropped are remembered.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, cast

from exporter.config.settings import Settings
from exporter.kernel.rows import Dropping, InetRows, Rows
from exporter.kernel.tables import Table
from exporter.sampling.collectors.collector import Collector, Pass, Plan
from exporter.sampling.labels import ListenerKey, Metric, Samples
from exporter.sampling.reading.walk import Observer
from exporter.sampling.services.counting import TableCounter
from exporter.sampling.services.expiring import ExpiringSet
from exporter.sampling.services.series import SERIES_KEPT_SECONDS

SOCKETS_KEPT_PASSES: Final = 12  # procfs misses some of the rows of a table that changes
_PROTOCOLS: Final = frozenset({"udp", "udplite"})


class UdpDrops(Collector):
    """Adds up the drops of all UDP and UDP-Lite sockets."""

    name = "udp_drops"
    metrics: ClassVar = (
        Metric(
            "netstat_udp_drops_total",
            "Datagrams dropped by UDP sockets because the receive buffer was full or the checksum was wrong "
            "(drops of the kernel's tables), since the second pass.",
            ListenerKey._fields,
        ),
    )
    needs_drops = True
    spans_passes = True

    def __init__(self) -> None:
        self._sockets: dict[str, SocketDrops] = {}
        self._shown = ExpiringSet[ListenerKey](SERIES_KEPT_SECONDS)
        self._totals = Counter[ListenerKey]()

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.udp_drops.enabled

    def observe(self, table: Table, counter: TableCounter, plan: Plan) -> Observer | None:
        """Return an observer that finds the sockets that have dropped."""
        del plan
        return DropObserver(counter) if table.protocol in _PROTOCOLS else None

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the drops by port, from the second pass on."""
        shown: set[ListenerKey] = set()
        for table, observer in seen.observers(self.name):
            shown.update(self._add_up(table, cast("DropObserver", observer), seen))
        self._shown.see(shown, seen.now)
        for key in self._totals.keys() - set(self._shown):
            del self._totals[key]
        families = {key[:2] for key in shown}
        return {
            "netstat_udp_drops_total": {key: self._totals[key] for key in self._shown if key[:2] in families}
        }

    def _add_up(self, table: Table, observer: "DropObserver", seen: Pass) -> set[ListenerKey]:
        """Add the new drops of a table, and return its series."""
        is_first = table.name not in self._sockets
        dropping = list(observer.dropping.values())
        drops = self._sockets.setdefault(table.name, SocketDrops()).note([each for each, _ in dropping])
        if is_first:
            return set()
        shown = {_key_of(table, service, seen) for service in seen.series.tables[table.name].shown}
        for (_, service), number in zip(dropping, drops, strict=True):
            key = _key_of(table, service, seen)
            shown.add(key)
            self._totals[key] += number
        return shown


class DropObserver:
    """Finds the sockets of a table that have dropped, with their services; a row may come twice."""

    def __init__(self, counter: TableCounter) -> None:
        self.dropping: dict[tuple[int, int], tuple[Dropping, int]] = {}
        self._counter = counter

    def observe(self, rows: Rows) -> None:
        """Find the sockets that have dropped among some rows."""
        for each in cast("InetRows", rows).dropping():
            service = self._counter.find_service(each.local_port, each.remote_port)
            self.dropping[each.inode, each.local_port] = each, service


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


def _key_of(table: Table, service: int, seen: Pass) -> ListenerKey:
    _, *labels = seen.series.label(table.protocol, service)
    return ListenerKey(table.protocol, table.family, *labels)
