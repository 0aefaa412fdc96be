"""Decide which ports count as service ports, and which of them get series of their own."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from exporter.sampling.services import PortNames

INBOUND: Final = "inbound"
OUTBOUND: Final = "outbound"
OTHER_PORT: Final = 0
"""Stands for every port without series of its own; no socket is bound to port 0."""

_INCUMBENT_ADVANTAGE: Final = 1.25

Name = TypeVar("Name", int, str)


class Service(NamedTuple):
    """One end of a service on this host: who opened the sockets, and the port at the service's end."""

    direction: str
    port: int


@dataclass(frozen=True, slots=True)
class PortRules:
    """What the operator and the kernel say about ports.

    ``ephemeral`` is the kernel's range for ports it chooses itself; a port in it says nothing about the
    service unless it was named by the operator. ``always`` are shown even when nothing uses them.
    """

    names: PortNames
    always: frozenset[int]
    limit: int
    ephemeral: range

    def remote_services(self, protocol: str) -> Collection[int]:
        """Return the remote ports by which a connection out of this host is attributed."""
        return self.names.of(protocol).keys() | self.always

    def local_services(self, protocol: str) -> Iterator[int]:
        """Yield the local ports that tell a service although nothing listens there."""
        for port in self.remote_services(protocol):
            if port not in self.ephemeral or port in self.names.configured or port in self.always:
                yield port

    def is_local_service(self, protocol: str, port: int) -> bool:
        """Tell whether a port in use at this end can have series of its own."""
        return port not in self.ephemeral or port in self.always or port in self.names.of(protocol)


def choose_largest(sockets: Mapping[Name, int], shown: Collection[Name], limit: int) -> frozenset[Name]:
    """Return the ``limit`` ports, or owners, with the most sockets.

    One that is ``shown`` already keeps its place until another has a quarter more, so that two of about one
    size do not take turns.
    """
    if len(sockets) <= limit:
        return frozenset(sockets)

    def rank(name: Name) -> tuple[float, bool, Name]:
        return -sockets[name] * (_INCUMBENT_ADVANTAGE if name in shown else 1), name not in shown, name

    return frozenset(sorted(sockets, key=rank)[:limit])
