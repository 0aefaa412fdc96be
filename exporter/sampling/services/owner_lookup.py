"""Find the owners of sockets by their cgroups, and by the processes that hold them: some in every pass."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from itertools import islice
from typing import Final

from exporter.config.settings import Settings
from exporter.kernel.cgroups import walk_cgroups
from exporter.kernel.processes import Holder, walk_holders
from exporter.sampling.labels import UNKNOWN_OWNER, label_value
from exporter.sampling.owner_names import name_owner
from exporter.sampling.reading.lookup import IncrementalLookup, lookup_seconds
from exporter.sampling.reading.reader import KernelReader

_MAX_INODES: Final = 100_000


class OwnerLookup:
    """Remembers the owners of some sockets; ``sockets`` says of which, to tell its reads from others."""

    def __init__(self, sockets: str = "") -> None:
        self._sockets = sockets

    @cached_property
    def _cgroups(self) -> IncrementalLookup[bytes]:  # in other namespaces neither is asked
        return IncrementalLookup(f"cgroups{self._sockets}")

    @cached_property
    def _holders(self) -> IncrementalLookup[Holder]:
        return IncrementalLookup(f"processes{self._sockets}")

    def name_cgroups(
        self, ids: AbstractSet[int], reader: KernelReader, settings: Settings, now: float
    ) -> dict[int, str | None]:
        """Return the known names of cgroups by their ids, None for the root's."""
        paths = self._cgroups.find(ids, walk_cgroups, reader, now, lookup_seconds(settings))
        return {cgroup_id: name_owner(path) for cgroup_id, path in paths.items()}

    def find_holders(
        self, inodes: Iterable[int], reader: KernelReader, settings: Settings, now: float
    ) -> Mapping[int, Holder]:
        """Return the known holders of sockets by their inodes."""
        wanted = set(islice(inodes, _MAX_INODES))
        return self._holders.find(wanted, walk_holders, reader, now, lookup_seconds(settings))


def name_holder(holder: Holder | None) -> str:
    """Return the name of the owner of what a process holds."""
    if holder is None:
        return UNKNOWN_OWNER
    return name_owner(holder.cgroup) or label_value(holder.program) or UNKNOWN_OWNER
