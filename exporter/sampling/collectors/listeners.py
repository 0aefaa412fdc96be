"""Show who listens at which addresses, and how many connections each port's listeners dropped.

Only netlink has owners and drops of listeners. They are read from it even when tables are read from procfs.
Where it is not available, nothing is shown.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import ClassVar, NamedTuple

from exporter.config.settings import PROCESS, UNIT, Settings
from exporter.kernel.processes import Holder
from exporter.kernel.rows import Dropping, Listener
from exporter.kernel.tables import TABLES, Table
from exporter.sampling.collectors.collector import Collector, Pass
from exporter.sampling.labels import OTHER, UNKNOWN_OWNER, ListenerInfoKey, ListenerKey, Metric, Samples
from exporter.sampling.services.drops import DropCounters
from exporter.sampling.services.owner_lookup import OwnerLookup, name_holder
from exporter.sampling.services.port_usage import make_address
from exporter.sampling.services.ranking import choose_largest

_Known = tuple[Table, Sequence[Listener]]
_Names = Mapping[int, str | None]


class _Place(NamedTuple):
    """Who listens where, as it is shown, in the table of this name."""

    table: str
    port: int
    exposure: str
    owner: str


class Listeners(Collector):
    """Remembers what each listener dropped, and the owners of listeners."""

    name = "listeners"
    metrics: ClassVar = (
        Metric(
            "netstat_listener_drops_total",
            "Connections that the listeners of a port dropped, since the second pass: SYNs, and the last "
            "packets of handshakes (SK_MEMINFO_DROPS of sock_diag).",
            ListenerKey._fields,
        ),
        Metric(
            "netstat_listener_info",
            "Listeners by port, kind of address (any, loopback, address) and owner; always 1 (sock_diag).",
            ListenerInfoKey._fields,
        ),
    )

    needs_listeners = True

    def __init__(self) -> None:
        self._lookup = OwnerLookup(" of listeners")
        self._drops = DropCounters()
        self._shown: frozenset[str] = frozenset()
        self._cookies: frozenset[int] = frozenset()
        self._inodes: Mapping[int, Sequence[int]] = {}
        self._made_of: object = None
        self._described: Mapping[tuple[str, ...], float] = {}

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.listeners.enabled

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the drops of each port, and who listens there."""
        known: list[_Known] = []
        for name, listeners in seen.listeners.items():
            table = TABLES[name]
            if not listeners or listeners[0].limit is not None:  # else they are those of procfs
                known.append((table, listeners))
            drops = set(map(attrgetter("drops"), listeners))
            if None not in drops:
                self._add_drops(table, listeners if any(drops) else (), seen)
        return {
            "netstat_listener_drops_total": self._drops.take(seen.now),
            "netstat_listener_info": self._describe(known, seen),
        }

    def _add_drops(self, table: Table, listeners: Sequence[Listener], seen: Pass) -> None:
        dropping = [
            (
                Dropping(listener.port, 0, listener.inode, listener.cookie, listener.drops),
                seen.series.listener_key(table, listener.port),
            )
            for listener in listeners
            if listener.drops
        ]
        ports = seen.series.tables[table.name].accept_queues
        self._drops.add(table, dropping, {seen.series.listener_key(table, port) for port in ports})

    def _describe(self, known: Sequence[_Known], seen: Pass) -> Mapping[tuple[str, ...], float]:
        """Return the labels of all listeners, each with 1.

        A listener's address and owner stay what they are, so they are made again only when something changes.
        """
        cookies = frozenset(map(attrgetter("cookie"), chain.from_iterable(each for _, each in known)))
        if cookies != self._cookies:
            self._cookies, self._inodes = cookies, _group_inodes(known)
        names, holders = self._find_owners(seen)
        made_of = cookies, seen.series.own, seen.rules, seen.settings.owners, len(names), len(holders)
        if made_of != self._made_of:
            self._made_of, self._described = (
                made_of,
                dict.fromkeys(self._make(known, names, holders, seen), 1),
            )
        return self._described

    def _make(
        self, known: Sequence[_Known], names: _Names, holders: Mapping[int, Holder], seen: Pass
    ) -> Iterator[ListenerInfoKey]:
        places = {
            _Place(
                table.name,
                seen.series.fold(each.port),
                find_exposure(each.address, table.family),
                names.get(each.cgroup_id) or name_holder(holders.get(each.inode)),
            )
            for table, listeners in known
            for each in listeners
        }
        weights = Counter(place.owner for place in places if place.owner != UNKNOWN_OWNER)
        self._shown = choose_largest(weights, self._shown, seen.settings.owners.limit)
        for place in places:
            is_shown = place.owner in self._shown or place.owner == UNKNOWN_OWNER
            key = seen.series.listener_key(TABLES[place.table], place.port)
            yield ListenerInfoKey(*key, place.exposure, place.owner if is_shown else OTHER)

    def _find_owners(self, seen: Pass) -> tuple[_Names, Mapping[int, Holder]]:
        """Return the known names of the cgroups of listeners, and the holders of those without."""
        settings, names = seen.settings, dict[int, str | None]()
        if not settings.owners.enabled:
            return names, {}
        if settings.owners.by != PROCESS:
            names = self._lookup.name_cgroups(self._inodes.keys() - {0}, seen.reader, settings, seen.now)
        if settings.owners.by == UNIT:
            return names, {}
        unnamed = (inodes for cgroup_id, inodes in self._inodes.items() if not names.get(cgroup_id))
        holders = self._lookup.find_holders(chain.from_iterable(unnamed), seen.reader, settings, seen.now)
        return names, holders


def _group_inodes(known: Sequence[_Known]) -> Mapping[int, Sequence[int]]:
    """Return the inodes of listeners by the id of their cgroup."""
    inodes = defaultdict[int, list[int]](list)
    for _, listeners in known:
        for each in listeners:
            inodes[each.cgroup_id].append(each.inode)
    return inodes


@lru_cache(maxsize=1024)
def find_exposure(address: bytes, family: str) -> str:
    """Return from where a listener at an address can be reached, of 16 bytes in network order."""
    found = make_address(address, family)
    if found.is_any:
        return "any"
    return "loopback" if found.is_loopback else "address"
