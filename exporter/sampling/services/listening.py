"""Remember which ports of a table listen, or listened recently.

Connections outlive their listener: for ten minutes they still belong to its port. This does not hold in the
ephemeral range, because the kernel gives such a port to another program at once.
"""

from collections.abc import Callable, Collection
from typing import Final

from exporter.sampling.services.expiring import ExpiringSet
from exporter.sampling.services.ports import PortRules

LISTENERS_KEPT_SECONDS: Final = 600
LASTING_SECONDS: Final = 60
_CONNECTED: Final = 2
"""More connections than this make a listener in the ephemeral range a service before it has lasted."""


class ListenerMemory:
    """The listeners of one table. Times are on the monotonic clock.

    Datagram sockets that are not connected are as often clients as servers: in the ephemeral range they are a
    service only where others are connected at the same port. The kernel lists these others first, the newest
    at the head (``udp_lib_get_port`` in net/ipv4/udp.c), so a walk has counted them when it comes to the one
    that is not connected. That is why the port is passed to the next walk.
    """

    __slots__ = ("_is_datagram", "_listened", "_served", "_services", "_since")

    def __init__(self, *, is_datagram: bool) -> None:
        self._is_datagram = is_datagram
        self._listened = ExpiringSet[int](LISTENERS_KEPT_SECONDS)
        self._since: dict[int, float] = {}
        self._services: tuple[int, ...] = ()  # of most tables, of hundreds of namespaces, these are empty
        self._served: tuple[int, ...] = ()

    def listened(self, now: float) -> Collection[int]:
        """Return the ports whose sockets are inbound from the first row of a walk on.

        These are those outside the ephemeral range that listened recently, and ephemeral ones of datagram
        servers.
        """
        self._listened.forget(now)
        return (*self._listened, *self._served)

    def see(
        self,
        listening: Collection[int],
        sockets_of: Callable[[int], int],
        rules: PortRules,
        own: Collection[int],
        now: float,
    ) -> None:
        """Remember the ports that listen now; ``own`` are those with series.

        ``sockets_of`` returns the number of sockets of a service.

        A port without sockets and without series is forgotten at once, so that many listeners that are gone
        cost nothing.
        """
        is_ephemeral = rules.is_ephemeral
        self._listened.see((port for port in listening if not is_ephemeral[port]), now)
        self._listened.discard(
            port
            for port in self._listened
            if port not in listening and port not in own and not sockets_of(port)
        )
        since = self._since
        self._since = {port: since.get(port, now) for port in listening if is_ephemeral[port]}
        # A client's port is another's soon: it has a single socket, and is gone at the next pass.
        self._served = tuple(
            port
            for port, first_seen in self._since.items()
            if self._is_datagram and (first_seen < now or sockets_of(port) > 1)
        )
        self._services = tuple(
            port
            for port, first_seen in self._since.items()
            if sockets_of(port) > _CONNECTED
            or (now - first_seen >= LASTING_SECONDS and not self._is_datagram)
        )

    def lasting(self) -> Collection[int]:
        """Return the ports that are services; ephemeral ones have lasted or have connections."""
        return {*self._services, *self._listened}
