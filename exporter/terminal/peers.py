"""Count the remote addresses of leaks, for root on a terminal: they leave this process nowhere else."""

import ipaddress
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from exporter.config.settings import NETLINK
from exporter.kernel import states
from exporter.kernel.netlink import SockDiagError
from exporter.kernel.procfs import Procfs
from exporter.kernel.rows import End
from exporter.kernel.tables import TABLES
from exporter.sampling.reading.guard import HangError
from exporter.sampling.reading.reader import KernelReader
from exporter.status.model import Leak
from exporter.terminal.errors import ShowError
from exporter.terminal.sections import Peers

_MOST: Final = 5


def find_peers(leaks: Sequence[Leak]) -> list[Peers]:
    """Return the busiest remote addresses of leaks of this network namespace; raises ShowError."""
    reader = KernelReader(Procfs(), NETLINK)
    try:
        ends = reader.read_ends((TABLES["tcp"], TABLES["tcp6"]), states.CLOSE_WAIT)
    except (SockDiagError, HangError) as error:
        raise ShowError(f"sockets cannot be read over netlink: {error}") from error
    return match_peers(leaks, ends)


def match_peers(leaks: Sequence[Leak], ends: Iterable[End]) -> list[Peers]:
    """Return the busiest remote addresses of leaks, of the ends of all sockets that leak.

    A socket belongs to the leak at its local port, if there is one, else to that at its remote port.
    """
    inbound = {int(leak.port): leak for leak in leaks if leak.direction == "inbound"}
    outbound = {int(leak.port): leak for leak in leaks if leak.direction == "outbound"}
    found: dict[int, Counter[str]] = {id(leak): Counter() for leak in leaks}
    for end in ends:
        if leak := inbound.get(end.local_port) or outbound.get(end.remote_port):
            found[id(leak)][format_address(end.remote_address)] += 1
    return [Peers(leak, found[id(leak)].most_common(_MOST)) for leak in leaks]


def format_address(address: bytes) -> str:
    """Return an address as people write it; an IPv4 one in an IPv6 socket as IPv4."""
    made = ipaddress.ip_address(address)
    mapped = made.ipv4_mapped if isinstance(made, ipaddress.IPv6Address) else None
    return str(mapped or made)
