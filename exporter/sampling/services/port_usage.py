"""Find which local ports are in use, for the busiest destinations and at the busiest source addresses.

``connect()`` may use a local port again if source address, destination address or destination port differ. So
it fails when the connections to one destination use all ports, whatever other destinations use. A port in
TIME_WAIT that the kernel would reuse does not count. ``bind()`` to port 0, and all of UDP, cannot use a port
that is in use at the same source address, whatever it is connected to.

Source: ``__inet_check_established`` and ``inet_csk_find_open_port`` in net/ipv4, ``tcp_twsk_unique`` in
net/ipv4/tcp_ipv4.c.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, cast

from exporter.kernel import states
from exporter.kernel.rows import MAPPED_PREFIX, InetRows, Rows
from exporter.sampling.services.ports import PORTS

MAX_DESTINATIONS: Final = 20_000
MAX_ADDRESSES: Final = 1_000

_TIME_WAIT_MILLISECONDS: Final = 60_000  # TCP_TIMEWAIT_LEN
_IPV4_BYTES: Final = 4
_LOOPBACK_IPV4: Final = 127
_LOOPBACK_IPV6: Final = bytes(15) + b"\1"


class Reuse(NamedTuple):
    """Which ports in TIME_WAIT connect() may reuse: none, all, or those of the loopback.

    ``delay_milliseconds`` is the least age of a TIME_WAIT.
    """

    always: bool = False
    on_loopback: bool = False
    delay_milliseconds: int = 1000


class Address(NamedTuple):
    """An address in network order, IPv4 without padding, also where it is mapped: both share their ports."""

    packed: bytes

    @property
    def family(self) -> str:
        """The family whose ports it uses."""
        return "ipv4" if len(self.packed) == _IPV4_BYTES else "ipv6"

    @property
    def is_loopback(self) -> bool:
        """Whether it is a loopback address, as the kernel decides for TIME_WAIT."""
        return self.packed[0] == _LOOPBACK_IPV4 if self.family == "ipv4" else self.packed == _LOOPBACK_IPV6

    @property
    def is_any(self) -> bool:
        """Whether it is the unspecified address, which stands for all."""
        return not any(self.packed)


Pair = tuple[int, bytes, bytes]
"""Remote port, source address and destination address; addresses as netlink or procfs has them."""

TakenPorts = Mapping[Address, set[int]]
"""The local ports in use at each source address."""


def make_address(padded: bytes, family: str) -> Address:
    """Return an address from 16 bytes in network order, those of IPv4 with zeros behind them."""
    if family == "ipv4":
        return Address(padded[:_IPV4_BYTES])
    return Address(padded.removeprefix(MAPPED_PREFIX))


class _FirstAddresses(dict[bytes, set[int]]):
    """The local ports at each source address; beyond MAX_ADDRESSES a new address is not kept."""

    def __missing__(self, address: bytes) -> set[int]:
        ports: set[int] = set()
        if len(self) < MAX_ADDRESSES:
            self[address] = ports
        return ports


class PortUsage:
    """Finds the ports in use among the rows of one table.

    ``find_chosen`` returns 1 for each local port that the kernel may have chosen, 0 for others, by port; it
    is called once the listeners of the table are known. Destinations are counted for the ``crowded`` remote
    ports, None for all, except from local ports that are ``held`` by another socket. Memory is bounded: of
    too many destinations the less frequent half is forgotten, of too many source addresses the last ones.
    """

    def __init__(
        self,
        family: str,
        find_chosen: Callable[[], bytes],
        crowded: Collection[int] | None,
        reuse: Reuse,
        held: Collection[int] = (),
    ) -> None:
        self.ports = _FirstAddresses()
        self._destinations = Counter[Pair]()
        self._family = family
        self._find_chosen = find_chosen
        self._chosen = b""
        self._crowded = _EVERY_REMOTE_PORT if crowded is None else _flag_remote(crowded)
        self._reuse = reuse
        self._held = held
        self._order: Callable[[bytes], bytes] = bytes

    def observe(self, rows: Rows) -> None:
        """Find the ports in use by some rows."""
        if not rows.states:
            return
        inet = cast("InetRows", rows)
        self._order = inet.order_address
        if not self._chosen:
            self._chosen = self._find_chosen()
        chosen, crowded, held, ports = self._chosen, self._crowded, self._held, self.ports
        found: list[Pair] = []
        for place, (state, local, remote, source, destination) in enumerate(inet.endpoints()):
            if not chosen[local]:
                continue
            ports[source].add(local)
            if crowded[remote]:
                if state == states.TIME_WAIT and self._may_reuse(inet, place, source, destination):
                    continue
                if local in held:  # the destination is crowded all the same
                    self._destinations.setdefault((remote, source, destination), 0)
                else:
                    found.append((remote, source, destination))
        self._destinations.update(found)
        if len(self._destinations) > MAX_DESTINATIONS:
            self._destinations = Counter(dict(self._destinations.most_common(MAX_DESTINATIONS // 2)))

    def count_destinations(self) -> Mapping[tuple[str, int], Counter[bytes]]:
        """Return the number of ports in use for each destination, by family and remote port."""
        found: dict[tuple[str, int], Counter[bytes]] = {}
        for (remote, *pair), number in self._destinations.items():
            source, destination = (make_address(self._order(raw), self._family) for raw in pair)
            counts = found.setdefault((destination.family, remote), Counter())
            counts[source.packed + destination.packed] += number
        return found

    def ports_by_address(self) -> TakenPorts:
        """Return the local ports in use at each source address."""
        found: dict[Address, set[int]] = {}
        for raw, ports in self.ports.items():
            found.setdefault(make_address(self._order(raw), self._family), set()).update(ports)
        return found

    def _may_reuse(self, rows: InetRows, place: int, source: bytes, destination: bytes) -> bool:
        """Return whether connect() would reuse the port of a TIME_WAIT."""
        always, on_loopback, delay_milliseconds = self._reuse
        order, family = rows.order_address, self._family
        if not always:
            if not on_loopback:
                return False
            if not (_is_loopback(source, order, family) or _is_loopback(destination, order, family)):
                return False
        return _TIME_WAIT_MILLISECONDS - rows.expires_milliseconds(place) > delay_milliseconds


def _flag_remote(ports: Iterable[int]) -> bytes:
    """Return 1 for each of the ports, 0 for others and for port 0, by port."""
    flags = bytearray(PORTS)
    for port in ports:
        flags[port] = 1
    flags[0] = 0  # the remote port of what is not connected
    return bytes(flags)


_EVERY_REMOTE_PORT: Final = _flag_remote(range(PORTS))


@lru_cache(1024)
def _is_loopback(raw: bytes, order: Callable[[bytes], bytes], family: str) -> bool:
    return make_address(order(raw), family).is_loopback


def count_busiest(usages: Iterable[PortUsage]) -> Mapping[tuple[str, int], int]:
    """Return by family and remote port how many ports are in use for its busiest destination."""
    joined: dict[tuple[str, int], Counter[bytes]] = {}
    for usage in usages:
        for key, counts in usage.count_destinations().items():
            joined.setdefault(key, Counter()).update(counts)
    return {key: max(counts.values(), default=0) for key, counts in joined.items()}


def count_bound(found: Iterable[TakenPorts]) -> int:
    """Return how many ports are in use at the busiest source address; one at any address counts for all."""
    joined: dict[Address, set[int]] = {}
    at_any: set[int] = set()
    for ports_by_address in found:
        for address, ports in ports_by_address.items():
            (at_any if address.is_any else joined.setdefault(address, set())).update(ports)
    return max((len(ports | at_any) for ports in joined.values()), default=len(at_any))
