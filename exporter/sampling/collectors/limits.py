"""Show the kernel's limits on TCP, how much of them is in use, and how often they were hit.

What the kernel does not show is absent. For example, only the first network namespace has tcp_mem. A file
that is there and cannot be read is a failure, which costs its own numbers only.
"""

import resource
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final, NamedTuple

from exporter.config.settings import Settings
from exporter.kernel.counters import Numbers, parse_numbers, parse_pairs
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.sampling.collectors.collector import Collector, PartialError, Pass
from exporter.sampling.labels import Metric, Samples
from exporter.sampling.reading.guard import HangError

_OF_A_NAMESPACE: Final = (
    "netstat_time_wait_buckets",
    "netstat_time_wait_overflows_total",
    "netstat_memory_aborts_total",
    "netstat_listen_overflows_total",
    "netstat_listen_drops_total",
)
"""What the kernel counts in each network namespace, and shows of others; the rest is the whole host's."""


class Limits(Collector):
    """Reads the kernel's own numbers at every pass."""

    name = "limits"
    metrics: ClassVar = (
        Metric(
            "netstat_time_wait_buckets",
            "Connections kept in TIME_WAIT or FIN_WAIT2 without a socket (tw in /proc/net/sockstat).",
        ),
        Metric(
            "netstat_time_wait_limit",
            "Maximum number of TIME_WAIT sockets (net.ipv4.tcp_max_tw_buckets).",
        ),
        Metric(
            "netstat_time_wait_overflows_total",
            "Connections that were not kept in TIME_WAIT because there were too many (TCPTimeWaitOverflow).",
        ),
        Metric(
            "netstat_orphaned_sockets",
            "TCP sockets of the whole host that no process holds (orphan in /proc/net/sockstat).",
        ),
        Metric(
            "netstat_orphaned_sockets_limit",
            "Maximum number of TCP sockets of the whole host that no process holds "
            "(net.ipv4.tcp_max_orphans).",
        ),
        Metric(
            "netstat_tcp_sockets_allocated",
            "Allocated TCP sockets of the whole host (alloc in /proc/net/sockstat).",
        ),
        Metric(
            "netstat_tcp_memory_bytes",
            "Memory of TCP sockets of the whole host (mem in /proc/net/sockstat).",
        ),
        Metric(
            "netstat_tcp_memory_pressure_bytes",
            "Memory of TCP sockets above which the kernel saves memory (second number of net.ipv4.tcp_mem).",
        ),
        Metric(
            "netstat_tcp_memory_limit_bytes",
            "Maximum memory of TCP sockets (third number of net.ipv4.tcp_mem).",
        ),
        Metric(
            "netstat_memory_aborts_total",
            "Connections closed because TCP used too much memory or had too many orphans (TCPAbortOnMemory).",
        ),
        Metric(
            "netstat_listen_overflows_total",
            "Connections that found the accept queue of a listener full (ListenOverflows).",
        ),
        Metric(
            "netstat_listen_drops_total",
            "Connections that listeners dropped for any reason, including a full accept queue (ListenDrops).",
        ),
        Metric(
            "netstat_syn_cookies_sent_total",
            "Handshakes answered with a SYN cookie because a listener had too many unfinished ones "
            "(SyncookiesSent).",
        ),
        Metric(
            "netstat_syn_queue_drops_total",
            "Handshakes dropped because a listener had too many unfinished ones and SYN cookies are off "
            "(TCPReqQFullDrop).",
        ),
    )
    in_every_namespace = True

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.limits.enabled

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the numbers that the kernel shows; raises PartialError, HangError."""
        failures: list[Exception] = []
        sockstat: Numbers = {}
        try:
            sockstat = seen.reader.sockstat.unwrap().get("TCP", {})
        except (ProcfsError, HangError) as error:
            failures.append(error)
        numbers, unreadable = seen.reader.read(self.name, lambda procfs: read_limits(procfs, sockstat))
        if not seen.is_host:  # without zeros, of which there would be thousands
            numbers = {name: numbers[name] for name in _OF_A_NAMESPACE if numbers.get(name)}
        samples: Mapping[str, Samples] = {name: {(): number} for name, number in numbers.items()}
        if failures := [*failures, *unreadable]:
            raise PartialError(failures, samples)
        return samples


class Found(NamedTuple):
    """The numbers that the kernel shows, by the name of their metric, and the errors of unreadable files."""

    numbers: Mapping[str, int]
    errors: Sequence[ProcfsError]


def read_limits(procfs: Procfs, sockstat: Numbers) -> Found:
    """Return the numbers that the kernel shows; ``sockstat`` are TCP's there."""
    files = _Files(procfs)
    extended = files.read_extended()
    memory = files.read_sysctl("tcp_mem", "low", "pressure", "limit")
    numbers = {
        "netstat_time_wait_buckets": sockstat.get("tw"),
        "netstat_time_wait_limit": files.read_sysctl("tcp_max_tw_buckets", "limit").get("limit"),
        "netstat_time_wait_overflows_total": extended.get("TCPTimeWaitOverflow"),
        "netstat_orphaned_sockets": sockstat.get("orphan"),
        "netstat_orphaned_sockets_limit": files.read_sysctl("tcp_max_orphans", "limit").get("limit"),
        "netstat_tcp_sockets_allocated": sockstat.get("alloc"),
        "netstat_tcp_memory_bytes": _count_bytes(sockstat.get("mem")),
        "netstat_tcp_memory_pressure_bytes": _count_bytes(memory.get("pressure")),
        "netstat_tcp_memory_limit_bytes": _count_bytes(memory.get("limit")),
        "netstat_memory_aborts_total": extended.get("TCPAbortOnMemory"),
        "netstat_listen_overflows_total": extended.get("ListenOverflows"),
        "netstat_listen_drops_total": extended.get("ListenDrops"),
        "netstat_syn_cookies_sent_total": extended.get("SyncookiesSent"),
        "netstat_syn_queue_drops_total": extended.get("TCPReqQFullDrop"),
    }
    shown = {name: number for name, number in numbers.items() if number is not None}
    return Found(shown, tuple(files.errors))


class _Files:
    """Reads files; ``errors`` are of those that are there and unreadable: the other files still count."""

    def __init__(self, procfs: Procfs) -> None:
        self.errors: list[ProcfsError] = []
        self._procfs = procfs

    def read_extended(self) -> Numbers:
        """Return the numbers of TcpExt in netstat."""
        return parse_pairs(self._read(self._procfs.read_net, "netstat"), "TcpExt")

    def read_sysctl(self, name: str, *names: str) -> Numbers:
        """Return the numbers of a sysctl by names given to them."""
        numbers = parse_numbers(self._read(self._procfs.read_sysctl, f"net/ipv4/{name}"))
        return dict(zip(names, numbers, strict=False))

    def _read(self, read: Callable[[str], bytes | None], name: str) -> bytes:
        """Return the content of a file, empty when it is absent or unreadable."""
        try:
            return read(name) or b""
        except ProcfsError as error:
            self.errors.append(error)
            return b""


def _count_bytes(pages: int | None) -> int | None:
    return None if pages is None else pages * resource.getpagesize()
