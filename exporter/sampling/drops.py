"""Add up the datagrams that UDP sockets dropped, by service port, into counters that never fall.

The kernel counts drops socket by socket, and forgets them with the socket. What a socket has dropped since it
was last looked at is added to the counter of the port that it has then. What it had dropped at the first look
at its table is not: an earlier run may have counted it. Only sockets that dropped are remembered.
"""

from collections import Counter
from typing import Final

from exporter.kernel.drops import Dropping, parse_drops, read_drops
from exporter.kernel.tables import TABLES, Table
from exporter.sampling.capability import Measures, Pass
from exporter.sampling.recent import Recent
from exporter.sampling.snapshot import ListenerKey

SOCKETS_KEPT_LOOKS: Final = 12  # procfs misses some of the rows of a table that changes
SERIES_KEPT_SECONDS: Final = 3600
_PROTOCOLS: Final = frozenset({"udp", "udplite"})


class SocketDrops:
    """Knows what each socket of a table had dropped when it was last seen, until many looks have missed it.

    A socket is known by its inode and its port, which both sources have, so that they may take turns. Where
    both looks were over netlink, its cookie tells it from a later one with the same inode.
    """

    def __init__(self) -> None:
        self._looks = 0
        self._seen: dict[tuple[int, int], tuple[int, Dropping]] = {}

    def note(self, dropping: list[Dropping]) -> list[int]:
        """Return what each socket has dropped since it was last seen."""
        new = [one.drops - self._known_drops(one) for one in dropping]
        self._looks += 1
        self._seen.update({(one.inode, one.local_port): (self._looks, one) for one in dropping})
        oldest = self._looks - SOCKETS_KEPT_LOOKS
        self._seen = {key: seen for key, seen in self._seen.items() if seen[0] >= oldest}
        return new

    def _known_drops(self, socket: Dropping) -> int:
        _, last = self._seen.get((socket.inode, socket.local_port), (0, None))
        if last is None or last.drops > socket.drops:
            return 0
        return 0 if socket.cookie and last.cookie not in {0, socket.cookie} else last.drops


class UdpDrops:
    """Adds up what the sockets of all tables of UDP and UDP-Lite have dropped."""

    def __init__(self) -> None:
        self._sockets: dict[str, SocketDrops] = {}
        self._shown = Recent[ListenerKey](SERIES_KEPT_SECONDS)
        self._totals = Counter[ListenerKey]()

    def measure(self, seen: Pass) -> Measures:
        """Return the drops by port, from the second look at a table on."""
        if not seen.settings.drops:
            self._sockets.clear()
            return {}
        shown: set[ListenerKey] = set()
        for name in seen.counts:
            if TABLES[name].protocol in _PROTOCOLS:
                shown.update(self._add_up(TABLES[name], seen))
        self._shown.see(shown, seen.now)
        for key in self._totals.keys() - set(self._shown):
            del self._totals[key]
        families = {key[:2] for key in shown}
        drops: dict[tuple[str, ...], float] = {
            key: self._totals[key] for key in self._shown if key[:2] in families
        }
        return {"udp_drops_total": drops}

    def _add_up(self, table: Table, seen: Pass) -> set[ListenerKey]:
        """Add what a table's sockets have dropped since the last look, and return which series it has."""
        dropping = seen.look(
            table.name,
            lambda deadline: list(read_drops(table, deadline)),
            lambda blocks: list(parse_drops(blocks)),
        )
        dropping = list(
            {(one.inode, one.local_port): one for one in dropping}.values()
        )  # rows may be repeated
        first = table.name not in self._sockets
        drops = self._sockets.setdefault(table.name, SocketDrops()).note(dropping)
        if first:
            return set()
        attribution, family = seen.series.attribution, (table.protocol, table.family)
        shown = {ListenerKey(*key[:2], *key[4:]) for key in seen.series.sockets if key[:2] == family}
        for socket, number in zip(dropping, drops, strict=True):
            service = attribution.find_udp_service(table.protocol, socket.local_port, socket.remote_port)
            _, port, port_name = attribution.label(table.protocol, service)
            shown.add(key := ListenerKey(*family, port, port_name))
            self._totals[key] += number
        return shown
