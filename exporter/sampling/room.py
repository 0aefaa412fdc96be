"""Measure how much room is left for connections: ephemeral ports, TIME_WAIT, orphans, memory; and overflows.

What the kernel does not show is absent: a network namespace other than the first has no tcp_mem, for one.
"""

import resource
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from exporter.kernel.counters import Numbers, parse_numbers, parse_pairs, parse_port_list, parse_sockstat
from exporter.kernel.destinations import parse_destinations, read_destinations
from exporter.kernel.procfs import Procfs
from exporter.kernel.tables import TABLES, Table
from exporter.sampling.capability import Measures, Pass
from exporter.sampling.counting import SEND_QUEUE
from exporter.sampling.ports import OTHER_PORT, OUTBOUND
from exporter.sampling.snapshot import ListenerKey

WORTH_A_LOOK: Final = 0.1
"""The share of the ephemeral ports that a port's connections must reach before their destinations matter."""

_MOST_DESTINATIONS: Final = 20_000


class Room:
    """Remembers nothing: every number is the kernel's own, and of now."""

    def measure(self, seen: Pass) -> Measures:
        """Return what is in use, how much of it there may be, and how often it ran out."""
        if not seen.settings.room:
            return {}
        tables = [TABLES[name] for name in seen.counts if TABLES[name].protocol == "tcp"]
        measures: dict[str, dict[tuple[str, ...], float]] = {
            name: {(): number} for name, number in read_room(seen.procfs).items()
        }
        measures["ephemeral_ports_busiest_destination"] = {
            key: ports for table in tables for key, ports in _find_busiest(table, seen).items()
        }
        return measures


def read_room(procfs: Procfs) -> Mapping[str, int]:
    """Return the numbers that the kernel shows, by name; raises ProcfsError."""
    sockstat = parse_sockstat(procfs.read_net("sockstat") or b"").get("TCP", {})
    extended = parse_pairs(procfs.read_net("netstat") or b"").get("TcpExt", {})
    memory = _read_sysctl(procfs, "tcp_mem", "low", "pressure", "limit")
    numbers = {
        "ephemeral_ports": _count_ephemeral_ports(procfs),
        "time_wait_buckets": sockstat.get("tw"),
        "time_wait_limit": _read_sysctl(procfs, "tcp_max_tw_buckets", "limit").get("limit"),
        "orphaned_sockets": sockstat.get("orphan"),
        "orphaned_sockets_limit": _read_sysctl(procfs, "tcp_max_orphans", "limit").get("limit"),
        "tcp_memory_bytes": _count_bytes(sockstat.get("mem")),
        "tcp_memory_pressure_bytes": _count_bytes(memory.get("pressure")),
        "tcp_memory_limit_bytes": _count_bytes(memory.get("limit")),
        "time_wait_overflows_total": extended.get("TCPTimeWaitOverflow"),
        "listen_overflows_total": extended.get("ListenOverflows"),
        "listen_drops_total": extended.get("ListenDrops"),
        "memory_aborts_total": extended.get("TCPAbortOnMemory"),
    }
    return {name: number for name, number in numbers.items() if number is not None}


def count_most_frequent(batches: Iterable[Iterable[bytes]]) -> int:
    """Return how often the most frequent of some destinations is there, in bounded memory.

    When there are too many different ones, the less frequent half is forgotten. The busiest is not in it: the
    kernel lists sockets in the order of a hash, so it is among the frequent ones from the beginning.
    """
    frequency = Counter[bytes]()
    for destinations in batches:
        frequency.update(destinations)
        if len(frequency) > _MOST_DESTINATIONS:
            frequency = Counter(dict(frequency.most_common(_MOST_DESTINATIONS // 2)))
    return max(frequency.values(), default=0)


def _find_busiest(table: Table, seen: Pass) -> Mapping[ListenerKey, int]:
    """Return how many local ports the busiest destination takes, of each remote port that has many."""
    attribution = seen.series.attribution
    enough = max(1, WORTH_A_LOOK * len(attribution.rules.ephemeral))
    busiest: dict[ListenerKey, int] = {}
    for service, tally in seen.counts[table.name].tallies.items():
        direction, port = service
        if direction == OUTBOUND and port != OTHER_PORT and sum(tally[:SEND_QUEUE]) >= enough:
            _, *labels = attribution.label(table.protocol, service)
            key = ListenerKey(table.protocol, table.family, *labels)
            busiest[key] = max(busiest.get(key, 0), _look(table, port, seen))
    return busiest


def _look(table: Table, port: int, seen: Pass) -> int:
    return seen.look(
        table.name,
        lambda deadline: count_most_frequent(read_destinations(table, port, deadline)),
        lambda blocks: count_most_frequent(parse_destinations(blocks, port)),
    )


def _count_ephemeral_ports(procfs: Procfs) -> int | None:
    ends = _read_sysctl(procfs, "ip_local_port_range", "first", "last")
    if "last" not in ends:
        return None
    ports = range(ends["first"], ends["last"] + 1)
    reserved = parse_port_list(procfs.read_sysctl("net/ipv4/ip_local_reserved_ports") or b"")
    return len(ports) - sum(port in ports for held in reserved for port in held)


def _read_sysctl(procfs: Procfs, name: str, *names: str) -> Numbers:
    """Return the numbers of a sysctl by names given to them."""
    numbers = parse_numbers(procfs.read_sysctl(f"net/ipv4/{name}") or b"")
    return dict(zip(names, numbers, strict=False))


def _count_bytes(pages: int | None) -> int | None:
    return None if pages is None else pages * resource.getpagesize()
