"""Know the ephemeral ports that connect() uses for no destination: a socket listens there, or is only bound.

The kernel searches all its ports for sockets that are only bound. So they are read again after some time,
when the number of sockets of the namespace has changed by more than a few, and at every pass while half of
the ports are in use. An expensive read takes at most a quarter of the CPU budget. With many sockets the
search is left out while sockstat shows that nearly all of them are in the tables: a socket that is only bound
is in none.
"""

import math
from collections.abc import Collection, Mapping
from typing import Final

from exporter.config.settings import Settings
from exporter.kernel.counters import Numbers
from exporter.kernel.netlink import Reason, SockDiagError
from exporter.kernel.tables import TABLES
from exporter.sampling.reading.reader import KernelReader
from exporter.sampling.services.counts import TableCount
from exporter.sampling.services.port_usage import Address, TakenPorts, make_address
from exporter.sampling.services.ports import PortRules
from exporter.sampling.services.spacing import find_pause

REREAD_SECONDS: Final = 15
_FEW: Final = 0.002
"""So many sockets, as a share of the ephemeral ports, are too few to matter."""

_CHEAP_SECONDS: Final = 0.02
LEAVE_OUT_ABOVE: Final = 10_000
"""The number of TCP sockets above which the search may be left out: with so many it takes milliseconds."""


class HeldPorts:
    """Remembers the ports of TCP's sockets that listen or are only bound.

    Times are on the monotonic clock.
    """

    def __init__(self) -> None:
        self._bound: TakenPorts = {}
        self._listening: TakenPorts = {}
        self._used: int | None = None
        self._read_at = self._not_before = -math.inf

    def refresh(
        self, reader: KernelReader, settings: Settings, rules: PortRules, now: float, *, is_scarce: bool
    ) -> None:
        """Read again which sockets are only bound, if it is time to.

        Without netlink, and while the search is left out, none are known. Raises HangError and SockDiagError,
        and none are known then, either.
        """
        sockstat, few = reader.sockstat.newest, _FEW * rules.ephemeral_ports
        used = sockstat.get("sockets", {}).get("used")
        is_changed = used is None or self._used is None or abs(used - self._used) > few
        if not (is_changed or is_scarce or now - self._read_at >= REREAD_SECONDS):
            return
        is_left_out = _count_sockets(sockstat) > LEAVE_OUT_ABOVE and _count_unlisted(sockstat) <= few
        if now < self._not_before and not is_left_out:
            return
        self._read_at, self._used, self._bound = now, used, {}
        if is_left_out:
            return
        started_cpu = reader.cpu_seconds
        try:
            self._bound = _read_bound(reader, settings, rules)
        except SockDiagError as error:
            if error.reason is not Reason.UNAVAILABLE:
                raise
        finally:
            cpu_seconds = reader.cpu_seconds - started_cpu
            if cpu_seconds > _CHEAP_SECONDS:
                self._not_before = now + find_pause(settings, cpu_seconds)

    def see(self, counts: Mapping[str, TableCount], rules: PortRules) -> None:
        """Remember the ports that listen now."""
        found: dict[Address, set[int]] = {}
        for name, count in counts.items():
            for listener in count.listeners:
                if rules.is_ephemeral[listener.port]:
                    address = make_address(listener.address, TABLES[name].family)
                    found.setdefault(address, set()).add(listener.port)
        self._listening = found

    def by_address(self) -> Collection[TakenPorts]:
        """Return the ports at each address."""
        return self._bound, self._listening

    def everywhere(self) -> frozenset[int]:
        """Return the ports, whatever their addresses."""
        return frozenset().union(*self._bound.values(), *self._listening.values())


def _count_sockets(sockstat: Mapping[str, Numbers]) -> int:
    """Return the number of TCP sockets: full ones of all network namespaces, and TIME_WAIT of this one."""
    tcp = sockstat.get("TCP", {})
    return tcp.get("alloc", 0) + tcp.get("tw", 0)


def _count_unlisted(sockstat: Mapping[str, Numbers]) -> float:
    """Return how many TCP sockets may be in no table, infinity if sockstat has no ``alloc``.

    It is too high by the sockets of other namespaces: ``alloc`` has those of all.
    """
    tcp, tcp6 = sockstat.get("TCP", {}), sockstat.get("TCP6", {})
    return tcp.get("alloc", math.inf) - tcp.get("inuse", 0) - tcp6.get("inuse", 0)


def _read_bound(reader: KernelReader, settings: Settings, rules: PortRules) -> TakenPorts:
    bound: dict[Address, set[int]] = {}
    tables = [TABLES[name] for name in settings.tables if TABLES[name].protocol == "tcp"]
    for table, origin in reader.read_bound(tables, settings.timeout_seconds) if tables else ():
        if rules.is_ephemeral[origin.local_port]:
            address = make_address(origin.local_address, table.family)
            bound.setdefault(address, set()).add(origin.local_port)
    return bound
