"""Show which services hold TCP's memory, and who owns their sockets.

Bytes in queues do not tell: 10,000 bytes that came one by one take 800 kB. The kernel says what each socket
really holds, for a price, so it is asked only while memory becomes short, or if the configuration wants it.
The last answer is shown until the next one, or until there is enough memory again.
"""

import resource
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final

from exporter.config.settings import ALWAYS, Settings
from exporter.kernel.counters import parse_numbers
from exporter.kernel.inet_details import KINDS
from exporter.kernel.procfs import Procfs
from exporter.kernel.sockdiag import walk_memory
from exporter.kernel.tables import TABLES
from exporter.sampling.collectors.collector import Collector, Pass
from exporter.sampling.labels import OTHER, UNKNOWN_OWNER, MemoryKey, Metric, OwnerMemoryKey, Samples
from exporter.sampling.services.cadence import RepeatedQuestion
from exporter.sampling.services.owner_lookup import OwnerLookup

SHARE_OF_PRESSURE: Final = 0.5
MOST_OWNERS: Final = 50
_MARKS_KEPT_SECONDS: Final = 60
_PRESSURE: Final = 1  # tcp_mem: low, pressure, limit

Holder = tuple[str, int, int]
"""Table, service and cgroup of sockets."""

Found = Mapping[Holder, Sequence[int]]
"""The bytes of each kind by who holds them."""


class Memory(Collector):
    """Adds up the memory of sockets every now and then, when it matters."""

    name = "memory"
    metrics: ClassVar = (
        Metric(
            "netstat_socket_memory_bytes",
            "Kernel memory that TCP sockets hold, by what it is for, when last asked for (SK_MEMINFO in "
            "sock_diag); by default absent while TCP uses less than half of the second number of "
            "net.ipv4.tcp_mem (memory.when).",
            MemoryKey._fields,
        ),
        Metric(
            "netstat_owner_socket_memory_bytes",
            "Kernel memory that TCP sockets hold, by the unit or container that owns them, when last asked "
            "for (SK_MEMINFO and cgroup in sock_diag); by default absent while TCP uses less than half of "
            "the second number of net.ipv4.tcp_mem (memory.when).",
            OwnerMemoryKey._fields,
        ),
    )

    def __init__(self) -> None:
        self._question = RepeatedQuestion[Found]("memory of sockets")
        self._owners = OwnerLookup(" of memory")
        self._pressure_bytes: int | None = None
        self._marks_read_at: float | None = None

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.memory.enabled

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the memory by series and by owner, nothing while there is enough."""
        find_service = seen.find_services()
        found: Found = {}
        if not self._is_wanted(seen):
            self._question.forget()
        elif find_service:
            answer = self._question.answer(
                seen.reader,
                seen.settings,
                seen.settings.memory.every_seconds,
                seen.now,
                lambda deadline: add_up(find_service, deadline),
            )
            found = {holder: held for holder, held in (answer or {}).items() if holder[0] in seen.counts}
        return {
            "netstat_socket_memory_bytes": _count_kinds(found, seen),
            "netstat_owner_socket_memory_bytes": self._count_owners(found, seen) if found else {},
        }

    def _is_wanted(self, seen: Pass) -> bool:
        """Return whether to ask: always, or because TCP uses half of its pressure mark."""
        if seen.settings.memory.when == ALWAYS:
            return True
        if self._marks_read_at is None or seen.now - self._marks_read_at >= _MARKS_KEPT_SECONDS:
            self._pressure_bytes = seen.reader.read(self.name, read_pressure_bytes)
            self._marks_read_at = seen.now
        pages = seen.reader.sockstat.unwrap().get("TCP", {}).get("mem")
        if pages is None or self._pressure_bytes is None:
            return False
        return pages * resource.getpagesize() > SHARE_OF_PRESSURE * self._pressure_bytes

    def _count_owners(self, found: Found, seen: Pass) -> Samples:
        """Return the bytes by owner; beyond the largest all are counted together."""
        ids = {cgroup_id for _, _, cgroup_id in found} - {0}
        names = self._owners.name_cgroups(ids, seen.reader, seen.settings, seen.now)
        owners = Counter[OwnerMemoryKey]()
        for (name, service, cgroup_id), held in found.items():
            labels = seen.series.label(TABLES[name].protocol, service)
            owner = names.get(cgroup_id) or UNKNOWN_OWNER
            owners[OwnerMemoryKey(TABLES[name].protocol, *labels, owner)] += sum(held)
        shown = dict(owners.most_common(MOST_OWNERS))
        folded = Counter[tuple[str, ...]]()
        for key, number in owners.items():
            folded[key if key in shown else key._replace(port=OTHER, port_name=OTHER, owner=OTHER)] += number
        return folded


def add_up(find_service: Mapping[str, Callable[[int, int], int]], deadline: float) -> Found:
    """Return the memory of all sockets by who holds it; raises SockDiagError."""
    found: dict[Holder, list[int]] = {}
    for table, sockets in walk_memory([TABLES[name] for name in find_service], deadline):
        find = find_service[table.name]
        for ports, cgroup_id, held in sockets:
            holder = table.name, find(*ports), cgroup_id
            total = found.get(holder)
            if total is None:
                found[holder] = list(held)
            else:
                for kind, number in enumerate(held):
                    total[kind] += number
    return found


def _count_kinds(found: Found, seen: Pass) -> Samples:
    kinds = Counter[tuple[str, ...]]()
    for (name, service, _), held in found.items():
        table = TABLES[name]
        labels = seen.series.label(table.protocol, service)
        for kind, number in zip(KINDS, held, strict=True):
            if number > 0:
                kinds[MemoryKey(table.protocol, table.family, *labels, kind)] += number
    return kinds


def read_pressure_bytes(procfs: Procfs) -> int | None:
    """Return the memory of TCP above which the kernel saves it, None where it is not shown.

    Raises ProcfsError.
    """
    marks = parse_numbers(procfs.read_sysctl("net/ipv4/tcp_mem") or b"")
    return marks[_PRESSURE] * resource.getpagesize() if len(marks) > _PRESSURE else None
