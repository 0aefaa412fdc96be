"""Look at the TCP sockets in the states that are watched one by one, once in a pass, for all who ask.

A few words are kept of each socket, in arrays: 20 bytes, where an object would take hundreds. What many have
in common, their series and their cgroup, is kept once.
"""

import time
from array import array
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

from exporter.kernel import states
from exporter.kernel.netlink import Reason, SockDiagError, ask_twice_if_busy
from exporter.kernel.procdetails import parse_details
from exporter.kernel.procfs import Procfs
from exporter.kernel.sockdetails import ADDRESS_BYTES, Detail, read_details
from exporter.kernel.tables import TABLES, Table
from exporter.sampling.attribution import Attribution
from exporter.sampling.counting import TableCount
from exporter.sampling.settings import Settings
from exporter.sampling.snapshot import SocketKey
from exporter.sampling.sources import NETLINK, SourceChoice

WATCHABLE_STATES: Final = tuple(name for code, name in states.TCP.items() if code != states.LISTEN)

_NUMBERS: Final = {name: code for code, name in states.TCP.items()}
_STATE_BITS: Final = 4
_KEY: Final = (1 << 64) - 1
_ANY: Final = bytes(ADDRESS_BYTES)
_MAPPED: Final = bytes.fromhex("00000000 00000000 0000ffff")  # what IPv4's addresses begin with in tcp6
_MAPPED_ANY: Final = _MAPPED.ljust(ADDRESS_BYTES, b"\0")


class Group(NamedTuple):
    """What sockets have in common: the series that counts them, and their cgroup's id, where it is known."""

    series: SocketKey
    cgroup_id: int | None


@dataclass(slots=True)
class Watched:
    """The sockets of one table in watched states.

    Of each there is one item in every array: its key, which tells it from every other socket and from itself
    in another state; the inode of its file, 0 without one; and the place of its group in ``groups``.
    """

    groups: list[Group] = field(default_factory=list)
    keys: "array[int]" = field(default_factory=lambda: array("Q"))
    inodes: "array[int]" = field(default_factory=lambda: array("Q"))
    places: "array[int]" = field(default_factory=lambda: array("I"))


class Watcher:
    """Reads watched sockets over netlink, or from procfs where netlink is not to be had."""

    def __init__(self, procfs: Procfs, *, netlink_reachable: bool) -> None:
        self._procfs = procfs
        self._choice = SourceChoice(NETLINK, reachable=netlink_reachable)

    def read(self, name: str, count: TableCount, attribution: Attribution, settings: Settings) -> Watched:
        """Return the sockets of a TCP table; nothing is read of one that has none, as it was counted.

        Raises ProcfsError and SockDiagError.
        """
        wanted = {_NUMBERS[state] for state in settings.stuck_states}
        if not any(tally[state] for tally in count.tallies.values() for state in wanted):
            return Watched()
        now = time.monotonic()
        deadline = now + settings.timeout_seconds
        if self._choice.may_ask_netlink(now):
            try:
                return self._read_netlink(TABLES[name], attribution, wanted, deadline)
            except SockDiagError as error:
                if error.reason is not Reason.UNAVAILABLE:
                    raise
                self._choice.note_failure(now)
        blocks = self._procfs.read_blocks(name, deadline)
        if blocks is None:
            return Watched()
        with closing(blocks):
            details = parse_details(TABLES[name], blocks, wanted | {states.LISTEN})
            return _pack(TABLES[name], details, attribution)

    @staticmethod
    def _read_netlink(table: Table, attribution: Attribution, wanted: set[int], deadline: float) -> Watched:
        def read() -> Iterator[Detail]:
            return chain(
                read_details(table, {states.LISTEN}, deadline), read_details(table, wanted, deadline)
            )

        return ask_twice_if_busy(lambda: _pack(table, read(), attribution))


def _pack(table: Table, details: Iterator[Detail], attribution: Attribution) -> Watched:
    """Return the sockets in arrays; listeners come first, and are only looked at for what they own.

    A minisocket has neither cgroup nor inode, nor has one that waits for accept an inode: where it came in,
    it gets those of the listener at its address, else of the one at any. Where several share an address with
    SO_REUSEPORT, it cannot be told which took it in: it gets no inode, and their cgroup if that is one.
    """
    watched = Watched()
    places: dict[tuple[object, ...], int] = {}
    listeners: dict[tuple[int, bytes], Detail] = {}
    for detail in details:
        local, remote, state, inode, cookie, address, cgroup_id = detail
        if state == states.LISTEN:
            known = listeners.setdefault((local, address), detail)
            if known.inode != inode:  # procfs may repeat a row
                shared = cgroup_id if known.cgroup_id == cgroup_id else 0
                listeners[local, address] = known._replace(inode=0, cgroup_id=shared)
            continue
        if not inode and (listener := _find_listener(listeners, local, address)):
            inode = listener.inode
            cgroup_id = cgroup_id or listener.cgroup_id
        common = attribution.find_tcp_service(table.name, local, remote), state, cgroup_id
        place = places.setdefault(common, len(places))
        if place == len(watched.groups):
            labels = attribution.label(table.protocol, common[0])
            series = SocketKey(table.protocol, table.family, table.states[state], *labels)
            watched.groups.append(Group(series, cgroup_id or None))
        watched.keys.append((cookie << _STATE_BITS | state) & _KEY)
        watched.inodes.append(inode)
        watched.places.append(place)
    return watched


def _find_listener(listeners: Mapping[tuple[int, bytes], Detail], port: int, address: bytes) -> Detail | None:
    """Return who listens at an address, else at any, of IPv4 first: :: may be of IPv6 only."""
    return (
        listeners.get((port, address))
        or (listeners.get((port, _MAPPED_ANY)) if address.startswith(_MAPPED) else None)
        or listeners.get((port, _ANY))
    )
