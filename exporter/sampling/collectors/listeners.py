"""Show who listens at which addresses, and how many connections each port's listeners dropped.

Only netlink has owners and drops of listeners. They are read from it even when tables are read from procfs.
Where it is not available, nothing is shown.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import ClassVar, Final, NamedTuple

from exporter.config.settings import PROCESS, UNIT, Settings
from exporter.kernel.rows import ANY_ADDRESS, MAPPED_PREFIX, Dropping, Listener
from exporter.kernel.tables import TABLES, Table
from exporter.sampling.collectors.collector import Collector, Pass
from exporter.sampling.labels import OTHER, ListenerInfoKey, ListenerKey, Metric, Samples
from exporter.sampling.services.drops import DropCounters
from exporter.sampling.services.owner_lookup import UNKNOWN_OWNER, OwnerLookup, name_holder
from exporter.sampling.services.ranking import choose_largest

_ANY: Final = frozenset({ANY_ADDRESS, MAPPED_PREFIX.ljust(len(ANY_ADDRESS), b"\0")})
_LOOPBACK_IPV4: Final = 127
_LOOPBACK_IPV6: Final = (1).to_bytes(len(ANY_ADDRESS))


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
            "Always 1. Which unit, container or program listens at a port, and whether at any address, at a "
            "loopback address, or at another single address (sock_diag).",
            ListenerInfoKey._fields,
        ),
    )

    def __init__(self) -> None:
        self._lookup = OwnerLookup(" of listeners")
        self._drops = DropCounters()
        self._shown: frozenset[str] = frozenset()

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.listeners.enabled

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the drops of each port, and who listens there."""
        known: list[tuple[Table, Sequence[Listener]]] = []
        for table, listeners in seen.listeners():
            if not any(listener.limit is None for listener in listeners):  # else they are those of procfs
                known.append((table, listeners))
            if not any(listener.drops is None for listener in listeners):
                self._add_drops(table, listeners, seen)
        return {
            "netstat_listener_drops_total": self._drops.read(seen.now),
            "netstat_listener_info": dict.fromkeys(self._describe(known, seen), 1),
        }

    def _add_drops(self, table: Table, listeners: Sequence[Listener], seen: Pass) -> None:
        dropping = [
            (
                Dropping(listener.port, 0, listener.inode, listener.cookie, listener.drops),
                _key_of(table, listener.port, seen),
            )
            for listener in listeners
            if listener.drops
        ]
        ports = seen.series.tables[table.name].accept_queues
        self._drops.add(table, dropping, {_key_of(table, port, seen) for port in ports})

    def _describe(
        self, known: Sequence[tuple[Table, Sequence[Listener]]], seen: Pass
    ) -> Collection[ListenerInfoKey]:
        """Return the labels of all listeners."""
        owners = self._find_owners([each for _, listeners in known for each in listeners], seen)
        fold = seen.series.fold
        places = {
            _Place(
                table.name,
                fold(each.port),
                find_exposure(each.address, table.family),
                owners[each.cgroup_id, each.inode],
            )
            for table, listeners in known
            for each in listeners
        }
        weights = Counter(place.owner for place in places if place.owner != UNKNOWN_OWNER)
        self._shown = choose_largest(weights, self._shown, seen.settings.owners.limit) | {UNKNOWN_OWNER}
        return {
            ListenerInfoKey(
                *_key_of(TABLES[place.table], place.port, seen),
                place.exposure,
                place.owner if place.owner in self._shown else OTHER,
            )
            for place in places
        }

    def _find_owners(self, listeners: Sequence[Listener], seen: Pass) -> Mapping[tuple[int, int], str]:
        """Return the owners of listeners by the cgroup and the inode of each."""
        settings, names = seen.settings, dict[int, str | None]()
        if settings.owners.enabled and settings.owners.by != PROCESS:
            ids = {listener.cgroup_id for listener in listeners} - {0}
            names = self._lookup.name_cgroups(ids, seen.reader, settings, seen.now)
        sockets = {(listener.cgroup_id, listener.inode) for listener in listeners}
        if not settings.owners.enabled or settings.owners.by == UNIT:
            return {socket: names.get(socket[0]) or UNKNOWN_OWNER for socket in sockets}
        inodes = (inode for cgroup_id, inode in sockets if not names.get(cgroup_id))
        holders = self._lookup.find_holders(inodes, seen.reader, settings, seen.now)
        return {socket: names.get(socket[0]) or name_holder(holders.get(socket[1])) for socket in sockets}


@lru_cache(maxsize=1024)
def find_exposure(address: bytes, family: str) -> str:
    """Return from where a listener at an address can be reached, of 16 bytes in network order."""
    if address in _ANY:
        return "any"
    if family == "ipv4":
        is_loopback = address[0] == _LOOPBACK_IPV4
    elif address.startswith(MAPPED_PREFIX):
        is_loopback = address[len(MAPPED_PREFIX)] == _LOOPBACK_IPV4
    else:
        is_loopback = address == _LOOPBACK_IPV6
    return "loopback" if is_loopback else "address"


def _key_of(table: Table, port: int, seen: Pass) -> ListenerKey:
    _, *labels = seen.series.label(table.protocol, port)
    return ListenerKey(table.protocol, table.family, *labels)
