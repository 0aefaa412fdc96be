"""Measure how much room is left for connections: ephemeral ports, TIME_WAIT, orphans, memory; and overflows.

What the kernel does not show is absent: a network namespace other than the first has no tcp_mem, for one.
"""

import resource
from collections.abc import Callable, Mapping

from exporter.kernel.counters import Numbers, parse_numbers, parse_pairs, parse_port_list, parse_sockstat
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.sampling.capability import Measures, Pass


class Room:
    """Remembers nothing: every number is the kernel's own, and of now."""

    def measure(self, seen: Pass) -> Measures:
        """Return what is in use, how much of it there may be, and how often it ran out."""
        numbers = read_room(seen.procfs) if seen.settings.room else {}
        return {name: {(): number} for name, number in numbers.items()}


def read_room(procfs: Procfs) -> Mapping[str, int]:
    """Return the numbers that the kernel shows, by name."""
    sockstat = parse_sockstat(_read(procfs.read_net, "sockstat")).get("TCP", {})
    extended = parse_pairs(_read(procfs.read_net, "netstat")).get("TcpExt", {})
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


def _count_ephemeral_ports(procfs: Procfs) -> int | None:
    ends = _read_sysctl(procfs, "ip_local_port_range", "first", "last")
    if "last" not in ends:
        return None
    ports = range(ends["first"], ends["last"] + 1)
    reserved = parse_port_list(_read(procfs.read_sysctl, "net/ipv4/ip_local_reserved_ports"))
    overlaps = (range(max(ports.start, held.start), min(ports.stop, held.stop)) for held in reserved)
    return len(ports) - sum(map(len, overlaps))


def _read_sysctl(procfs: Procfs, name: str, *names: str) -> Numbers:
    """Return the numbers of a sysctl by names given to them."""
    numbers = parse_numbers(_read(procfs.read_sysctl, f"net/ipv4/{name}"))
    return dict(zip(names, numbers, strict=False))


def _read(read: Callable[[str], bytes | None], name: str) -> bytes:
    """Return a file, empty when there is none or it cannot be read, which says nothing about the others."""
    try:
        return read(name) or b""
    except ProcfsError:
        return b""


def _count_bytes(pages: int | None) -> int | None:
    return None if pages is None else pages * resource.getpagesize()
