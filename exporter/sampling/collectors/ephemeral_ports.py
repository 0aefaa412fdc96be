"""Show how many ephemeral ports there are, and how many of them cannot be used now.

This needs a scan of both addresses of every connection that this host opened. While there are few sockets,
every pass scans. Else a pass scans when the number of sockets has changed by a tenth, of what it was or of
the ports that were left, and after a minute in any case: connections may have moved from one destination to
another.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar, Final

from exporter.config.settings import Settings
from exporter.kernel.counters import parse_numbers
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.kernel.rows import ANY_ADDRESS
from exporter.kernel.tables import TABLES, Table
from exporter.sampling.collectors.collector import Collector, Pass, Plan
from exporter.sampling.labels import ListenerKey, Metric, Samples
from exporter.sampling.reading.walk import READ_ERRORS, Observer
from exporter.sampling.services.counting import TableCounter
from exporter.sampling.services.port_usage import (
    Address,
    PortUsage,
    Reuse,
    TakenPorts,
    count_bound,
    count_busiest,
    make_address,
)
from exporter.sampling.services.ports import OUTBOUND

CROWDED_SHARE: Final = 0.1
"""The share of the ephemeral ports that connections to a port must reach before their destinations matter."""

RESCAN_SECONDS: Final = 60
BOUND_REREAD_SECONDS: Final = 15
FEW_SOCKETS: Final = 2000
MANY_SOCKETS: Final = 200_000
_CHANGE: Final = 0.1
_BOUND_CHANGE: Final = 0.002
_PROTOCOLS: Final = frozenset({"tcp", "udp"})
_REUSE_ALWAYS: Final = 1
_REUSE_ON_LOOPBACK: Final = 2
_DEFAULT_DELAY_MILLISECONDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan of addresses found.

    ``taken_at`` is on the monotonic clock. ``sockets`` is the number of sockets that this host opened,
    ``crowded`` has the connections to each remote port that has many. ``busiest`` is by family and remote
    port, ``bound`` by protocol. ``blocked`` is the number of ports that connect() uses for no destination.
    """

    taken_at: float
    sockets: int
    crowded: Mapping[int, int]
    busiest: Mapping[tuple[str, int], int] = field(default_factory=dict)
    bound: Mapping[str, int] = field(default_factory=dict)
    blocked: int = 0


class EphemeralPorts(Collector):
    """Remembers the last scan of addresses."""

    name = "ephemeral_ports"
    metrics: ClassVar = (
        Metric(
            "netstat_ephemeral_ports",
            "Ports that the kernel chooses from (net.ipv4.ip_local_port_range less ip_local_reserved_ports). "
            "Of other network namespaces it is the kernel's default, as their sysctls cannot be read.",
        ),
        Metric(
            "netstat_ephemeral_ports_busiest_destination",
            "Ephemeral ports that connect() cannot use now for the busiest destination at this port, from "
            "one source address; absent while fewer than a tenth of the ephemeral ports are used for it.",
            ListenerKey._fields,
        ),
        Metric(
            "netstat_ephemeral_ports_bound",
            "Ephemeral ports in use at the busiest source address: bind() to port 0 and UDP cannot use them. "
            "Without netlink this is a lower bound: procfs does not list TCP sockets that are only bound.",
            ("protocol",),
        ),
    )
    in_every_namespace = True

    def __init__(self) -> None:
        self._scan: Scan | None = None
        self._last: Scan | None = None
        self._is_due = True
        self._reuse = Reuse()
        self._bound: TakenPorts = {}
        self._bound_at = -math.inf
        self._used = 0

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.ephemeral_ports.enabled

    def prepare(self, plan: Plan) -> None:
        """Decide whether this pass scans addresses.

        The first pass does not where there are very many sockets: their counts should be there soon.
        """
        if self._scan is None or self._last is None:
            sockstat = plan.reader.sockstat.read().get("TCP", {})
            self._is_due = sockstat.get("inuse", 0) + sockstat.get("tw", 0) <= MANY_SOCKETS
        else:
            self._is_due = self._last.sockets <= FEW_SOCKETS or _is_outdated(
                self._scan, self._last, plan.rules.ephemeral_ports, plan.now
            )
        if self._is_due:
            self._reuse = plan.reader.read("tcp_tw_reuse", read_reuse)

    def observe(self, table: Table, counter: TableCounter, plan: Plan) -> Observer | None:
        """Return an observer that scans addresses, when a scan is due."""
        if table.protocol not in _PROTOCOLS or not self._is_due:
            return None
        if table.protocol == "udp":
            return PortUsage(table.family, lambda: plan.rules.is_ephemeral, (), self._reuse)
        few = self._last is None or self._last.sockets <= FEW_SOCKETS
        crowded: Collection[int] | None = None if few or self._last is None else self._last.crowded.keys()
        return PortUsage(table.family, counter.find_outbound_ports, crowded, self._reuse)

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return how many ephemeral ports there are, and how many are in use."""
        ephemeral = seen.rules.ephemeral_ports
        usages = [
            (table, usage) for table, usage in seen.observers(self.name) if isinstance(usage, PortUsage)
        ]
        held = self._find_held_ports(seen, [table for table, _ in usages if table.protocol == "tcp"])
        blocked = len(set().union(*(ports for found in held for ports in found.values())))
        if self._scan is not None and not usages:
            blocked = self._scan.blocked
        last = self._last = _count_opened(seen, max(1.0, CROWDED_SHARE * (ephemeral - blocked)))
        if usages or self._scan is None:
            self._scan = Scan(
                seen.now if usages else -math.inf,
                last.sockets,
                last.crowded,
                count_busiest(usage for table, usage in usages if table.protocol == "tcp"),
                _count_bound(usages, held),
                blocked,
            )
        busiest: dict[tuple[str, ...], float] = {}
        for (family, port), taken in self._scan.busiest.items():
            if port in last.crowded:
                _, *labels = seen.series.label("tcp", port + OUTBOUND)
                key = ListenerKey("tcp", family, *labels)
                busiest[key] = max(busiest.get(key, 0), min(taken, last.crowded[port]) + blocked)
        bound: dict[tuple[str, ...], float] = {(name,): n for name, n in self._scan.bound.items()}
        is_shown = seen.rules.is_known
        if seen.owner is not None:  # only what matters, as there may be hundreds of them
            bound = {key: taken for key, taken in bound.items() if taken >= CROWDED_SHARE * ephemeral}
            is_shown = bool(busiest or bound)
        return {
            "netstat_ephemeral_ports": {(): ephemeral} if is_shown else {},
            "netstat_ephemeral_ports_busiest_destination": busiest,
            "netstat_ephemeral_ports_bound": bound,
        }

    def _find_held_ports(self, seen: Pass, tables: Sequence[Table]) -> Sequence[TakenPorts]:
        """Return the ports of sockets that listen or are only bound: connect() cannot use them.

        The kernel searches all its ports for sockets that are only bound. So they are read again after some
        time, when the number of sockets of the namespace has changed, and at every pass when half of the
        ports are in use.
        """
        if tables:
            used = seen.reader.sockstat.newest.get("sockets", {}).get("used", 0)
            ephemeral = seen.rules.ephemeral_ports
            is_changed = abs(used - self._used) > _BOUND_CHANGE * ephemeral
            is_scarce = self._scan is not None and 2 * self._scan.bound.get("tcp", 0) >= ephemeral
            if is_changed or is_scarce or seen.now - self._bound_at >= BOUND_REREAD_SECONDS:
                self._bound_at, self._used = seen.now, used
                self._bound = _find_bound(seen, tables)
        listening = [_find_listening(seen, table) for table in tables]
        return [*listening, self._bound] if tables else []


def read_reuse(procfs: Procfs) -> Reuse:
    """Return which ports in TIME_WAIT connect() may reuse."""
    reuse = _read_number(procfs, "tcp_tw_reuse", 0)
    if not _read_number(procfs, "tcp_timestamps", 1):  # without them the kernel cannot recognize old segments
        return Reuse()
    delay_milliseconds = _read_number(procfs, "tcp_tw_reuse_delay", _DEFAULT_DELAY_MILLISECONDS)
    return Reuse(reuse == _REUSE_ALWAYS, reuse == _REUSE_ON_LOOPBACK, delay_milliseconds)


def _read_number(procfs: Procfs, name: str, default: int) -> int:
    try:
        numbers = parse_numbers(procfs.read_sysctl(f"net/ipv4/{name}") or b"")
    except ProcfsError:  # the kernel's default is the best guess
        return default
    return numbers[0] if numbers else default


def _count_opened(seen: Pass, enough: float) -> Scan:
    """Return the number of sockets that this host opened, and the remote ports with many connections."""
    by_port = Counter[int]()
    opened = 0
    for name, count in seen.counts.items():
        if TABLES[name].protocol == "udp":
            opened += count.total
        if TABLES[name].protocol == "tcp":
            opened += count.opened
            half = enough / 2  # a port that has enough in both tables has half of it in one
            sockets = count.several if half > 1 else count.sockets
            by_port.update(
                {each - OUTBOUND: n for each, n in sockets.items() if each >= OUTBOUND and n >= half}
            )
    return Scan(seen.now, opened, {port: number for port, number in by_port.items() if number >= enough})


def _is_outdated(scan: Scan, last: Scan, ephemeral: int, now: float) -> bool:
    """Return whether the numbers of a scan may have changed too much since."""
    if now - scan.taken_at >= RESCAN_SECONDS:
        return True
    taken = max((*scan.busiest.values(), *scan.bound.values()), default=0)
    left = max(ephemeral - taken, 0)
    pairs = [(scan.sockets, last.sockets)]
    pairs += [(scan.crowded.get(port, 0), number) for port, number in last.crowded.items()]
    return any(abs(after - before) > _CHANGE * min(before, left) for before, after in pairs)


def _count_bound(usages: Sequence[tuple[Table, PortUsage]], held: Sequence[TakenPorts]) -> Mapping[str, int]:
    """Return by protocol how many ports are in use at the busiest address; TCP has ``held`` ones, too."""
    taken: dict[str, list[TakenPorts]] = {"tcp": [*held]} if held else {}
    for table, usage in usages:
        taken.setdefault(table.protocol, []).append(usage.ports_by_address())
    return {protocol: count_bound(found) for protocol, found in taken.items()}


def _find_listening(seen: Pass, table: Table) -> TakenPorts:
    """Return the ephemeral ports that listen; each counts for all addresses, whatever its own."""
    is_ephemeral = seen.rules.is_ephemeral
    ports = {port for port in seen.counts[table.name].listening if is_ephemeral[port]}
    return {make_address(ANY_ADDRESS, table.family): ports}


def _find_bound(seen: Pass, tables: Sequence[Table]) -> TakenPorts:
    """Return the ports of sockets that are only bound, which only netlink lists."""
    is_ephemeral = seen.rules.is_ephemeral
    bound: dict[Address, set[int]] = {}
    with suppress(*READ_ERRORS):  # then the number is a lower bound
        for table, origin in seen.reader.read_bound(tables):
            if is_ephemeral[origin.local_port]:
                address = make_address(origin.local_address, table.family)
                bound.setdefault(address, set()).add(origin.local_port)
    return bound
