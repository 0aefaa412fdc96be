"""Show who owns the sockets in tracked states: a systemd unit, a container or a program.

The kernel gives the cgroup of nearly every socket's creator, and needs no privileges for it. Where it does
not, or the cgroup is the root, the process that holds the socket is searched for. This needs privileges.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import ClassVar

from exporter.config.settings import PROCESS, UNIT, Settings
from exporter.kernel.processes import Holder
from exporter.kernel.tables import TABLES
from exporter.sampling.collectors.collector import Collector, Pass
from exporter.sampling.labels import OTHER, UNKNOWN_OWNER, Metric, OwnerKey, Samples, SocketKey
from exporter.sampling.services.cohorts import EVERY_CGROUP
from exporter.sampling.services.expiring import ExpiringSet
from exporter.sampling.services.owner_lookup import OwnerLookup, name_holder
from exporter.sampling.services.ranking import choose_largest
from exporter.sampling.services.series import SERIES_KEPT_SECONDS


class Owners(Collector):
    """Counts tracked sockets by owner, and remembers recent owners."""

    name = "owners"
    metrics: ClassVar = (
        Metric(
            "netstat_owner_sockets",
            "Sockets in tracked states by the unit, container or program that owns them (from the cgroup in "
            "sock_diag, or from /proc/PID/fd).",
            OwnerKey._fields,
        ),
        Metric(
            "netstat_exporter_owner_sockets_unattributed",
            "Sockets in tracked states whose owner is not known.",
        ),
    )
    in_every_namespace = True
    needs_tracked = True

    def __init__(self) -> None:
        self._lookup = OwnerLookup()
        self._names: dict[int, str | None] = {}
        self._shown: frozenset[str] = frozenset()
        self._seen = ExpiringSet[OwnerKey](SERIES_KEPT_SECONDS)

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.owners.enabled

    def named_cgroups(self, settings: Settings) -> Collection[int]:
        """Return the cgroups whose name is known."""
        if settings.owners.by == UNIT:
            return EVERY_CGROUP
        return frozenset(cgroup_id for cgroup_id, name in self._names.items() if name is not None)

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return sockets by series and owner; recent series stay, at 0."""
        by = seen.settings.owners.by
        is_known = not seen.is_host
        self._names = self._name_cgroups(seen) if by != PROCESS and not is_known else {}
        holders = self._find_holders(seen) if by != UNIT and not is_known else {}
        sockets = Counter[OwnerKey]()
        for series, owner, number in self._count(seen, holders):
            sockets[_key_of(series, owner)] += number
        self._choose_shown(sockets, seen.settings.owners.limit)
        folded = Counter[OwnerKey]()
        for key, number in sockets.items():
            folded[self._fold(key)] += number
        self._seen.see(folded, seen.now)
        unattributed = sum(number for key, number in folded.items() if key.owner == UNKNOWN_OWNER)
        shown: dict[tuple[str, ...], float] = dict.fromkeys(self._choose_zeros(seen), 0)
        shown.update(folded.items())
        return {
            "netstat_owner_sockets": shown,
            "netstat_exporter_owner_sockets_unattributed": {(): unattributed},
        }

    def _name_cgroups(self, seen: Pass) -> dict[int, str | None]:
        """Return the known names of the cgroups of all tracked sockets."""
        groups = chain.from_iterable(tracked.groups for tracked in seen.tracked.values())
        ids = {group.cohort.cgroup_id for group in groups} - {0}
        return self._lookup.name_cgroups(ids, seen.reader, seen.settings, seen.now)

    def _find_holders(self, seen: Pass) -> Mapping[int, Holder]:
        """Return the holders of the sockets whose cgroup has no name."""
        unnamed = chain.from_iterable(tracked.unnamed for tracked in seen.tracked.values())
        inodes = (each.inode for each in unnamed if each.inode and not self._names.get(each.cgroup_id))
        return self._lookup.find_holders(inodes, seen.reader, seen.settings, seen.now)

    def _count(self, seen: Pass, holders: Mapping[int, Holder]) -> Iterator[tuple[SocketKey, str, int]]:
        """Yield series, owner and number of sockets; an owner may come more than once."""
        everything = seen.settings.owners.by == UNIT or not seen.is_host
        for name, tracked in seen.tracked.items():
            key_of = partial(seen.series.key, TABLES[name])
            for (service, state, cohort), number in tracked.groups.items():
                owner = seen.owner or self._names.get(cohort.cgroup_id)
                if owner or everything:
                    yield key_of(service, state), owner or UNKNOWN_OWNER, number
            held = Counter(
                (each.service, each.state, holders.get(each.inode))
                for each in tracked.unnamed
                if not self._names.get(each.cgroup_id)
            )
            for (service, state, holder), number in held.items():
                yield key_of(service, state), name_holder(holder), number

    def _choose_shown(self, sockets: Mapping[OwnerKey, int], limit: int) -> None:
        weights = Counter[str]({key.owner: 0 for key in self._seen})
        for key, number in sockets.items():
            weights[key.owner] += number
        for name in (UNKNOWN_OWNER, OTHER):
            del weights[name]
        self._shown = choose_largest(weights, self._shown, limit)

    def _fold(self, key: OwnerKey) -> OwnerKey:
        own = key.owner in self._shown or key.owner == UNKNOWN_OWNER
        return key if own else key._replace(owner=OTHER)

    def _choose_zeros(self, seen: Pass) -> Iterator[OwnerKey]:
        """Yield recent series that still have a series in netstat_sockets."""
        wanted = seen.settings.tracked.states
        series = {
            _key_of(seen.series.key(table, service, state), "")
            for table, folded in seen.folded()
            for service, states in folded.shown.items()
            for state in states
        }
        for key in self._seen:
            if key.state in wanted and key._replace(owner="") in series and self._fold(key) == key:
                yield key


def _key_of(series: SocketKey, owner: str) -> OwnerKey:
    return OwnerKey(series.protocol, series.state, series.direction, series.port, series.port_name, owner)
