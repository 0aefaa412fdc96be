"""Show which services hold TCP's memory, and who owns their sockets.

Bytes in queues do not tell: 10,000 bytes that came one by one take 800 kB. The kernel says what each socket
really holds, for a price, so it is asked only while memory becomes short, or if the configuration wants it,
in the dump of the tables. The last answer is shown until the next one, or until there is enough memory again.
"""

import resource
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, cast

from exporter.config.settings import ALWAYS, Settings
from exporter.kernel.counters import parse_numbers
from exporter.kernel.diag_rows import DiagRows
from exporter.kernel.inet_details import KINDS
from exporter.kernel.procfs import Procfs
from exporter.kernel.rows import Rows
from exporter.kernel.tables import TABLES, Detail, Table
from exporter.sampling.collectors.collector import Collector, FindService, Pass, Plan
from exporter.sampling.labels import OTHER, UNKNOWN_OWNER, MemoryKey, Metric, OwnerMemoryKey, Samples
from exporter.sampling.reading.walk import Observer
from exporter.sampling.services.counting import TableCounter
from exporter.sampling.services.details import SpacedDetail
from exporter.sampling.services.owner_lookup import OwnerLookup

SHARE_OF_PRESSURE: Final = 0.5
MOST_OWNERS: Final = 50
_MARKS_KEPT_SECONDS: Final = 60
_NOTHING: Final = (0,) * len(KINDS)
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
        self._held = SpacedDetail[Mapping[str, Observer]](Detail.MEMORY)
        self._owners = OwnerLookup(" of memory")
        self._pressure_bytes: int | None = None
        self._marks_read_at: float | None = None

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.memory.enabled

    @property
    def needed_details(self) -> Detail:
        """The memory of sockets, when it is due."""
        return self._held.due

    def prepare(self, plan: Plan) -> None:
        """Decide whether to ask in this pass."""
        self._held.due = Detail.NONE
        if self._is_wanted(plan):
            self._held.plan(plan.settings, plan.now)
        else:
            self._held.forget()

    def observe(self, table: Table, counter: TableCounter, plan: Plan) -> Observer | None:
        """Return an observer that adds up memory, when it is asked for."""
        del plan
        is_asked = self._held.due and table.protocol == "tcp"
        return MemoryObserver(counter.find_service) if is_asked else None

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the memory by series and by owner, nothing while there is enough."""
        answer: Mapping[str, Observer] | None = {}
        if seen.find_services():
            answer = self._held.find(
                seen.settings,
                seen.settings.memory.every_seconds,
                seen.now,
                lambda: seen.read_detail(self.name, Detail.MEMORY, MemoryObserver),
            )
        found: Found = {
            (name, *at): held
            for name, observer in (answer or {}).items()
            if name in seen.counts
            for at, held in cast("MemoryObserver", observer).held.items()
        }
        return {
            "netstat_socket_memory_bytes": _count_kinds(found, seen),
            "netstat_owner_socket_memory_bytes": self._count_owners(found, seen) if found else {},
        }

    def _is_wanted(self, plan: Plan) -> bool:
        """Return whether to ask: always, or because TCP uses half of its pressure mark."""
        if plan.settings.memory.when == ALWAYS:
            return True
        if self._marks_read_at is None or plan.now - self._marks_read_at >= _MARKS_KEPT_SECONDS:
            self._pressure_bytes = plan.reader.read(self.name, read_pressure_bytes)
            self._marks_read_at = plan.now
        pages = plan.reader.sockstat.unwrap().get("TCP", {}).get("mem")
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


class MemoryObserver:
    """Adds up the memory of the sockets of one table: the bytes of each kind, by service and cgroup."""

    def __init__(self, find_service: FindService) -> None:
        self.held: dict[tuple[int, int], tuple[int, ...]] = {}
        self._find_service = find_service

    def observe(self, rows: Rows) -> None:
        """Add up the memory of some rows."""
        found = defaultdict[tuple[int, int], list[Sequence[int]]](list)
        for ports, cgroup_id, held in rows.memory() if isinstance(rows, DiagRows) else ():
            found[self._find_service(*ports), cgroup_id].append(held)
        for at, several in found.items():
            before = self.held.get(at, _NOTHING)
            self.held[at] = tuple(map(sum, zip(before, *several, strict=True)))


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
