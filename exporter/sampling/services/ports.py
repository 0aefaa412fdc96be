"""Hold the rules for ports, from the configuration and the kernel.

A *service* is the port at the service's end of a socket, and who opened the socket. It is one number, because
it is computed for every row: the port, plus ``OUTBOUND`` if this host opened the socket.
"""

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, NamedTuple

from exporter.kernel.counters import parse_numbers, parse_port_list
from exporter.kernel.procfs import Procfs
from exporter.sampling.services.names import PortNames

PORTS: Final = 65536
OUTBOUND: Final = PORTS
"""Is added to the port of a service that this host connects to."""
OTHER_PORT: Final = 0
"""Stands for every port without series of its own; no socket is bound to port 0."""

DEFAULT_EPHEMERAL: Final = range(32768, 61000)

_DIRECTIONS: Final = ("inbound", "outbound")
_RANGE_NUMBERS: Final = 2  # the first and the last port


def direction_of(service: int) -> str:
    """Return who opened the sockets of a service."""
    return _DIRECTIONS[service // PORTS]


def port_of(service: int) -> int:
    """Return the port of a service."""
    return service % PORTS


def fold(service: int, own: Collection[int]) -> int:
    """Return the service that a service is shown as: that of the port other unless its port is in ``own``."""
    port = service % PORTS
    return service if port in own else service - port


class Directions(NamedTuple):
    """What decides the service of a socket of one table, by the rules that ``counting`` begins with.

    ``inbound`` are the ports that listen, or did recently. ``is_ephemeral`` is 1 for every port that the
    kernel may choose itself. ``named`` are the ports that have a name, or are in ``ports.always``.
    """

    inbound: AbstractSet[int]
    is_ephemeral: bytes
    named: AbstractSet[int]

    def find_service(self, local: int, remote: int) -> int:
        """Return the service of a socket."""
        if local in self.inbound:
            return local
        return remote + OUTBOUND if self.is_ephemeral[local] or remote in self.named else local

    def freeze(self) -> "Directions":
        """Return them as they are now; those of a counter change with every walk."""
        return self._replace(inbound=frozenset(self.inbound))


@dataclass(frozen=True)
class PortRules:
    """What the configuration and the kernel say about ports.

    ``ephemeral`` is the range that the kernel chooses ports from, except ``reserved`` ones. ``is_known`` is
    False if the kernel does not show it, and the default is used; ``error`` tells why it could not be read.
    ``always`` are shown even when nothing uses them. At most ``limit`` others have series of their own.
    """

    names: PortNames
    always: frozenset[int]
    limit: int
    ephemeral: range
    reserved: tuple[range, ...] = ()
    is_known: bool = True
    error: str | None = None
    _named: dict[str, frozenset[int]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def is_ephemeral(self) -> bytes:
        """1 for every port that the kernel may choose itself, 0 for the others, by port."""
        flags = bytearray(PORTS)
        _set(flags, self.ephemeral, 1)
        for ports in self.reserved:
            _set(flags, ports, 0)
        return bytes(flags)

    @cached_property
    def ephemeral_ports(self) -> int:
        """How many ports the kernel may choose from."""
        return self.is_ephemeral.count(1)

    @property
    def directions(self) -> tuple[object, ...]:
        """What the direction and the service port of a socket depend on."""
        return self.names, self.always, self.ephemeral, self.reserved

    def of_namespace(self, limit: int) -> "PortRules":
        """Return the rules of another network namespace: its sysctls cannot be read, defaults are used."""
        return replace(self, limit=limit, ephemeral=DEFAULT_EPHEMERAL, reserved=(), is_known=True, error=None)

    def named(self, protocol: str) -> AbstractSet[int]:
        """Return the ports that have a name, or are in ``ports.always``."""
        if protocol not in self._named:
            self._named[protocol] = frozenset(self.names.of(protocol).keys() | self.always)
        return self._named[protocol]

    def is_named(self, protocol: str, port: int) -> bool:
        """Return whether a port has a name, or is in ``ports.always``."""
        return port in self.names.of(protocol) or port in self.always


def _set(flags: bytearray, ports: range, value: int) -> None:
    first, end = max(ports.start, 0), min(ports.stop, PORTS)
    if first < end:
        flags[first:end] = bytes([value]) * (end - first)


def read_ephemeral_ports(procfs: Procfs) -> tuple[range | None, tuple[range, ...]]:
    """Return the range that the kernel chooses ports from, None where it is not shown; and reserved ports.

    Raises ProcfsError.
    """
    ends = parse_numbers(procfs.read_sysctl("net/ipv4/ip_local_port_range") or b"")
    reserved = parse_port_list(procfs.read_sysctl("net/ipv4/ip_local_reserved_ports") or b"")
    if len(ends) != _RANGE_NUMBERS:
        return None, ()
    first, last = ends
    return range(first, last + 1), reserved
