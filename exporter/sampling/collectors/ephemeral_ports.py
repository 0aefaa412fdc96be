"""Show how many ephemeral ports there are, and how many of them cannot be used now.

This needs a scan of both addresses of every connection that this host opened. While there are few sockets,
every pass scans. Else a pass scans when the number of sockets has changed by a tenth, of what it was or of
the ports that were left, and after a minute in any case: connections may have moved from one destination to
another.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from exporter.config.settings import Settings
from exporter.kernel.counters import parse_numbers
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.kernel.tables import TABLES, Table
from exporter.sampling.collectors.collector import Collector, PartialError, Pass, Plan
from exporter.sampling.labels import ListenerKey, Metric, Samples
from exporter.sampling.reading.walk import Observer
from exporter.sampling.services.counting import TableCounter
from exporter.sampling.services.held_ports import HeldPorts
from exporter.sampling.services.port_usage import (
    PortUsage,
    Reuse,
    TakenPorts,
    count_bound,
    count_busiest,
)
from exporter.sampling.services.ports import OUTBOUND

CROWDED_SHARE: Final = 0.1
"""The share of the ephemeral ports that connections to a port must reach before their destinations matter."""

RESCAN_SECONDS: Final = 60
FEW_SOCKETS: Final = 2000
MANY_SOCKETS: Final = 200_000
_CHANGE: Final = 0.1
_PROTOCOLS: Final = frozenset({"tcp", "udp"})
_REUSE_ALWAYS: Final = 1
_REUSE_ON_LOOPBACK: Final = 2
_DEFAULT_DELAY_MILLISECONDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan of addresses found.

    ``taken_at`` is on the monotonic clock. ``sockets`` is the number of sockets that this host opened,
    ``crowded`` has the connections to each remote port that has many. ``busiest`` is by family and remote
    port, without the ``blocked`` ports, which connect() uses for no destination; ``bound`` is by protocol.
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
            "Ephemeral ports in use: of TCP at the busiest source address, of UDP at any address. bind() to "
            "port 0 and UDP's connect() cannot use them. "
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
        self._held = HeldPorts()

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.ephemeral_ports.enabled

    def prepare(self, plan: Plan) -> None:
        """Decide whether this pass scans addresses.

        The first pass does not where there are very many sockets: their counts should be there soon.
        """
        if self._scan is None or self._last is None:
            sockstat = plan.reader.sockstat.newest.get("TCP", {})
            self._is_due = sockstat.get("inuse", 0) + sockstat.get("tw", 0) <= MANY_SOCKETS
            if not self._is_due:
                return
        ephemeral = plan.rules.ephemeral_ports
        is_scarce = self._scan is not None and 2 * self._scan.bound.get("tcp", 0) >= ephemeral
        self._held.refresh(plan.reader, plan.settings, plan.rules, plan.now, is_scarce=is_scarce)
        if self._scan is not None and self._last is not None:
            last = replace(self._last, blocked=len(self._held.everywhere()))
            is_outdated = _is_outdated(self._scan, last, ephemeral, plan.now)
            self._is_due = last.sockets <= FEW_SOCKETS or is_outdated
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
        held = self._held.everywhere()
        return PortUsage(table.family, counter.find_outbound_ports, crowded, self._reuse, held)

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return how many ephemeral ports there are, and how many are in use.

        Raises PartialError where it could not be read how many there are.
        """
        ephemeral = seen.rules.ephemeral_ports
        usages = [
            (table, usage) for table, usage in seen.observers(self.name) if isinstance(usage, PortUsage)
        ]
        self._held.see(seen.counts, seen.rules)
        blocked = len(self._held.everywhere())
        last = self._last = _count_opened(seen, max(1.0, CROWDED_SHARE * (ephemeral - blocked)))
        if usages or self._scan is None:
            self._scan = Scan(
                seen.now if usages else -math.inf,
                last.sockets,
                last.crowded,
                count_busiest(usage for table, usage in usages if table.protocol == "tcp"),
                _count_bound(usages, self._held.by_address()),
                blocked,
            )
        busiest: dict[tuple[str, ...], float] = {}
        for (family, port), taken in self._scan.busiest.items():
            if port in last.crowded:
                key = seen.series.listener_key(TABLES["tcp"], port + OUTBOUND)._replace(family=family)
                busiest[key] = max(busiest.get(key, 0), min(taken, last.crowded[port]) + self._scan.blocked)
        bound: dict[tuple[str, ...], float] = {(name,): n for name, n in self._scan.bound.items()}
        is_shown = seen.rules.is_known
        if not seen.is_host:  # only what matters, as there may be hundreds of them
            bound = {key: taken for key, taken in bound.items() if taken >= CROWDED_SHARE * ephemeral}
            is_shown = bool(busiest or bound)
        samples: Mapping[str, Samples] = {
            "netstat_ephemeral_ports": {(): ephemeral} if is_shown else {},
            "netstat_ephemeral_ports_busiest_destination": busiest,
            "netstat_ephemeral_ports_bound": bound,
        }
        if seen.rules.error is not None:
            raise PartialError([ProcfsError(seen.rules.error)], samples)
        return samples


def read_reuse(procfs: Procfs) -> Reuse:
    """Return which ports in TIME_WAIT connect() may reuse; raises ProcfsError."""
    reuse = _read_number(procfs, "tcp_tw_reuse", 0)
    if not _read_number(procfs, "tcp_timestamps", 1):  # without them the kernel cannot recognize old segments
        return Reuse()
    delay_milliseconds = _read_number(procfs, "tcp_tw_reuse_delay", _DEFAULT_DELAY_MILLISECONDS)
    return Reuse(reuse == _REUSE_ALWAYS, reuse == _REUSE_ON_LOOPBACK, delay_milliseconds)


def _read_number(procfs: Procfs, name: str, default: int) -> int:
    numbers = parse_numbers(procfs.read_sysctl(f"net/ipv4/{name}") or b"")
    return numbers[0] if numbers else default


def _count_opened(seen: Pass, enough: float) -> Scan:
    """Return the number of sockets that this host opened, and the remote ports with many connections."""
    opened = sum(count.total for name, count in seen.counts.items() if TABLES[name].protocol == "udp")
    tcp = [count for name, count in seen.counts.items() if TABLES[name].protocol == "tcp"]
    candidates = set[int]()
    for count in tcp:
        opened += count.opened
        half = enough / 2  # a port that has enough in both tables has half of it in one
        sockets = count.several if half > 1 else count.sockets
        candidates.update(each for each, n in sockets.items() if each >= OUTBOUND and n >= half)
    crowded = {each - OUTBOUND: sum(count.sockets_of(each) for count in tcp) for each in candidates}
    return Scan(seen.now, opened, {port: number for port, number in crowded.items() if number >= enough})


def _is_outdated(scan: Scan, last: Scan, ephemeral: int, now: float) -> bool:
    """Return whether the numbers of a scan may have changed too much since."""
    if now - scan.taken_at >= RESCAN_SECONDS:
        return True
    taken = max((*scan.busiest.values(), *scan.bound.values()), default=0)
    left = max(ephemeral - taken, 0)
    pairs = [(scan.sockets, last.sockets), (scan.blocked, last.blocked)]
    pairs += [(scan.crowded.get(port, 0), number) for port, number in last.crowded.items()]
    return any(abs(after - before) > _CHANGE * min(before, left) for before, after in pairs)


def _count_bound(
    usages: Sequence[tuple[Table, PortUsage]], held: Collection[TakenPorts]
) -> Mapping[str, int]:
    """Return by protocol how many ports are in use, for TCP at the busiest address.

    TCP has ``held`` ones, too. A UDP socket that connects without bind() needs a port that no other has at
    any address of either family.
    """
    taken: dict[str, list[TakenPorts]] = {}
    for table, usage in usages:
        taken.setdefault(table.protocol, []).append(usage.ports_by_address())
    bound = {}
    if "tcp" in taken:
        bound["tcp"] = count_bound([*taken["tcp"], *held])
    if "udp" in taken:
        bound["udp"] = len(set().union(*(ports for found in taken["udp"] for ports in found.values())))
    return bound
