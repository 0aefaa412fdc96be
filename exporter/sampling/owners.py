"""Tell who owns the sockets in watched states: a systemd unit, a container or a program.

The kernel says for nearly every socket in which cgroup its creator was, to anybody who asks. Where it does
not, or the cgroup is everybody's, the process is looked for that holds the socket, which takes rights.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain, compress, islice
from typing import Final

from exporter.kernel.cgroups import walk_cgroups
from exporter.kernel.processes import Holder, walk_holders
from exporter.sampling.capability import Measures, Pass
from exporter.sampling.owner_names import name_owner
from exporter.sampling.ports import choose_largest
from exporter.sampling.recent import Recent
from exporter.sampling.search import Search
from exporter.sampling.series import SERIES_KEPT_SECONDS
from exporter.sampling.snapshot import OTHER, OwnerKey, SocketKey, label_value
from exporter.sampling.watched import Watched

OWNER_SOCKETS: Final = "owner_sockets"
UNATTRIBUTED: Final = "exporter_owner_sockets_unattributed"

AUTO: Final = "auto"
UNIT: Final = "unit"
PROCESS: Final = "process"
NONE: Final = "none"
WAYS: Final = (AUTO, UNIT, PROCESS, NONE)

UNKNOWN_OWNER: Final = "unknown"

_SHARE_OF_BUDGET: Final = 0.25  # for each of the two searches
_LONGEST_SEARCH_SECONDS: Final = 1.0
_MOST_INODES: Final = 100_000


class Owners:
    """Counts sockets by owner, and knows which owners there were lately."""

    def __init__(self) -> None:
        self._cgroups = Search[bytes]()
        self._holders = Search[Holder]()
        self._shown: frozenset[str] = frozenset()
        self._seen = Recent[OwnerKey](SERIES_KEPT_SECONDS)

    def measure(self, seen: Pass) -> Measures:
        """Return sockets by series and owner; what was there lately stays, at 0."""
        if seen.settings.owners_by == NONE or not seen.settings.stuck_states:
            self._cgroups, self._holders = Search(), Search()
            return {}
        cgroups = self._name_cgroups(seen)
        holders = self._find_holders(seen, cgroups)
        sockets = Counter[OwnerKey]()
        for watched in seen.watched.values():
            for series, owner, number in _count(watched, cgroups, holders):
                sockets[_key_of(series, owner)] += number
        self._choose_shown(sockets, seen.settings.owners_limit)
        folded = Counter[OwnerKey]()
        for key, number in sockets.items():
            folded[self._fold(key)] += number
        self._seen.see(folded, seen.now)
        unattributed = sum(number for key, number in folded.items() if key.owner == UNKNOWN_OWNER)
        shown: dict[tuple[str, ...], float] = dict.fromkeys(self._choose_zeros(seen), 0)
        shown.update(folded.items())
        return {OWNER_SOCKETS: shown, UNATTRIBUTED: {(): unattributed}}

    def _name_cgroups(self, seen: Pass) -> Mapping[int | None, str | None]:
        """Return the names of the cgroups of all sockets, as far as they are known and have one."""
        if seen.settings.owners_by == PROCESS:
            self._cgroups = Search()
            return {}
        groups = (group for watched in seen.watched.values() for group in watched.groups)
        ids = {group.cgroup_id for group in groups if group.cgroup_id is not None}
        paths = self._cgroups.find(ids, partial(walk_cgroups, seen.procfs), seen.now, _search_seconds(seen))
        return {cgroup_id: name_owner(path) for cgroup_id, path in paths.items()}

    def _find_holders(self, seen: Pass, cgroups: Mapping[int | None, str | None]) -> Mapping[int, Holder]:
        """Return those who hold the sockets whose cgroup tells nothing."""
        if seen.settings.owners_by == UNIT:
            self._holders = Search()
            return {}
        unnamed = chain.from_iterable(_unnamed(watched, cgroups) for watched in seen.watched.values())
        inodes = set(islice((inode for _, inode in unnamed if inode), _MOST_INODES))
        return self._holders.find(inodes, partial(walk_holders, seen.procfs), seen.now, _search_seconds(seen))

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
        """Yield what was there lately and still has a series in netstat_sockets."""
        series = {_key_of(series, "") for series in seen.series.sockets}
        states = seen.settings.stuck_states
        for key in self._seen:
            if key.state in states and key._replace(owner="") in series and self._fold(key) == key:
                yield key


def _count(
    watched: Watched, cgroups: Mapping[int | None, str | None], holders: Mapping[int, Holder]
) -> Iterator[tuple[SocketKey, str, int]]:
    """Yield series, owner and number of sockets, perhaps more than once for one owner."""
    for place, number in Counter(watched.places).items():
        group = watched.groups[place]
        if name := cgroups.get(group.cgroup_id):
            yield group.series, name, number
    held = Counter((place, holders.get(inode)) for place, inode in _unnamed(watched, cgroups))
    for (place, holder), number in held.items():
        yield watched.groups[place].series, _name_holder(holder), number


def _name_holder(holder: Holder | None) -> str:
    if holder is None:
        return UNKNOWN_OWNER
    return name_owner(holder.cgroup) or label_value(holder.program) or UNKNOWN_OWNER


def _unnamed(watched: Watched, cgroups: Mapping[int | None, str | None]) -> Iterator[tuple[int, int]]:
    """Yield the place of the group and the inode of the sockets whose cgroup has no name."""
    unnamed = [not cgroups.get(group.cgroup_id) for group in watched.groups]
    if any(unnamed):
        yield from compress(
            zip(watched.places, watched.inodes, strict=True), map(unnamed.__getitem__, watched.places)
        )


def _key_of(series: SocketKey, owner: str) -> OwnerKey:
    return OwnerKey(series.protocol, series.state, series.direction, series.port, series.port_name, owner)


def _search_seconds(seen: Pass) -> float:
    share = seen.settings.interval_seconds * seen.settings.cpu_budget * _SHARE_OF_BUDGET
    return min(share, _LONGEST_SEARCH_SECONDS)
