"""A tracked socket is known from pass to pass: since when, and whose it is."""

import math
import struct
import tracemalloc
from array import array
from collections.abc import Collection, Iterable
from ipaddress import ip_address
from typing import cast

import pytest

from exporter.kernel import states
from exporter.kernel.diag_rows import DiagRows
from exporter.kernel.inet_diag import read_listeners
from exporter.kernel.netlink import Block
from exporter.kernel.procnet import parse_table
from exporter.kernel.rows import InetRows, ListenerRows, Rows, Silences
from exporter.kernel.tables import TABLES
from exporter.sampling.services.cohorts import EVERY_CGROUP, Tracked, number_states
from exporter.sampling.services.counting import TableCounter
from exporter.sampling.services.tracking import TrackedSockets
from tests.support.procfs_tree import Printed, print_table
from tests.support.sampling.netlink import Diag
from tests.support.sampling.port_rules import NOTHING_EXPECTED, make_rules

WANTED = number_states(("close_wait", "time_wait"))
LOOPBACK = bytes([127, 0, 0, 1]).ljust(16, b"\0")
IPV6_LOOPBACK, MAPPED_ANY, MAPPED_LOOPBACK = (
    int("".join(f"{word:08X}" for word in struct.unpack("=4I", ip_address(text).packed)), 16)
    for text in ("::1", "::ffff:0.0.0.0", "::ffff:127.0.0.1")
)
MAX_BYTES = 250


def parse(table: str, rows: Iterable[Printed]) -> list[Rows]:
    """Return rows as procfs has them."""
    return list(parse_table(TABLES[table], [print_table(table, rows)]))


def dump(sockets: Iterable[Diag]) -> list[Rows]:
    """Return rows as netlink has them, each in a block of its own."""
    rows: list[Rows] = []
    for each in sockets:
        block = Block(message := each.message("ipv4"), len(message))
        listens = each.state == states.LISTEN
        rows.append(ListenerRows(list(read_listeners(block))) if listens else DiagRows(TABLES["tcp"], block))
    return rows


class Tracker:
    """Follows the sockets of passes."""

    def __init__(self, limit: int = 1_000_000) -> None:
        self.sockets = TrackedSockets()
        self.limit = limit
        self._counter = TableCounter(TABLES["tcp"], make_rules())

    def see(
        self,
        rows: Iterable[Rows],
        now: float = 0,
        table: str = "tcp",
        named: Collection[int] = (),
        wanted: Collection[int] = WANTED,
    ) -> Tracked:
        """Return what a pass finds."""
        self.sockets.change(frozenset(wanted), self.limit, ("tcp", "tcp6"))
        self._counter.begin((), NOTHING_EXPECTED)
        walk = self.sockets.begin(table, self._counter, named, now)
        for each in rows:
            self._counter.observe(each)
            walk.observe(each)
        return self.sockets.commit(table)


def cgroups_of(tracked: Tracked) -> list[int]:
    """Return the cgroup of every socket."""
    return sorted(group.cohort.cgroup_id for group, n in tracked.groups.items() for _ in range(n))


def inodes_of(tracked: Tracked) -> list[int]:
    """Return the inode of every socket."""
    return [held.inode for held in tracked.unnamed]


def first_seen(tracked: Tracked) -> list[float | None]:
    """Return since when every socket has been followed."""
    return [group.cohort.first_seen for group, n in tracked.groups.items() for _ in range(n)]


def listener(inode: int, port: int = 80, own: int = 0) -> Printed:
    """Return a listener at an address."""
    return Printed(port, state=states.LISTEN, inode=inode, own=own)


def time_wait(port: int = 80, own: int = 0, remote: int = 1) -> Printed:
    """Return a minisocket."""
    return Printed(port, remote, states.TIME_WAIT, inode=0, timer=3, own=own)


def test_minisocket_is_its_listeners() -> None:
    """So is a connection that waits for accept; where it did not come in, it is nobody's."""
    rows = [
        listener(7),
        time_wait(),
        Printed(80, 2, states.CLOSE_WAIT, inode=0),
        Printed(80, 3, states.CLOSE_WAIT, inode=8),
        Printed(50000, 443, states.TIME_WAIT, inode=0, timer=3),
    ]
    assert sorted(inodes_of(Tracker().see(parse("tcp", rows)))) == [0, 7, 7, 8]


def test_minisocket_is_that_of_the_listener_at_its_address() -> None:
    """Else of the one at any, else nobody's, whoever listens at the port elsewhere."""
    rows = [
        *(listener(7 + own, own=own) for own in (0, 1, 2)),
        listener(10, 22, own=1),
        *(time_wait(own=own) for own in (1, 2, 3)),
        time_wait(22, own=2),
    ]
    assert inodes_of(Tracker().see(parse("tcp", rows))) == [8, 9, 7, 0]


def test_minisocket_of_ipv4_in_tcp6_is_that_of_the_listener_at_any_of_ipv4() -> None:
    """Else of the one at any, and so is one of IPv6; numbers are as the kernel prints addresses."""
    rows = [
        listener(7),
        listener(8, own=MAPPED_ANY),
        listener(9, 22),
        time_wait(own=MAPPED_LOOPBACK),
        time_wait(own=IPV6_LOOPBACK),
        time_wait(22, own=MAPPED_LOOPBACK),
    ]
    assert inodes_of(Tracker().see(parse("tcp6", rows), table="tcp6")) == [8, 7, 9]


@pytest.mark.parametrize(
    ("cgroup_ids", "expected"), [((5, 5, 5), 5), ((5, 6, 5), 0), ((0, 0, 0), 0), ((5, 5, 0), 0)]
)
def test_minisocket_of_listeners_at_one_address_is_their_cgroups_if_it_is_one(
    cgroup_ids: tuple[int, ...], expected: int
) -> None:
    """The kernel does not tell which of them took it in; what waits for accept has a cgroup of its own."""
    rows = [
        *(
            Diag(80, 0, states.LISTEN, inode=7 + place, cgroup_id=cgroup_id, own=LOOPBACK)
            for place, cgroup_id in enumerate(cgroup_ids)
        ),
        Diag(80, 40000, states.TIME_WAIT, own=LOOPBACK, timer=3),
        Diag(80, 40001, states.CLOSE_WAIT, cgroup_id=4, own=LOOPBACK),
    ]
    tracked = Tracker().see(dump(rows))
    assert cgroups_of(tracked) == sorted([expected, 4])
    assert inodes_of(tracked) == [0, 0]


@pytest.mark.parametrize(("inode", "expected"), [(7, 7), (8, 0)])
def test_listener_that_is_printed_twice_is_one(inode: int, expected: int) -> None:
    """As a table that changes meanwhile may repeat a row; another at its address is another's, perhaps."""
    rows = parse("tcp", [listener(7)]) + parse("tcp", [listener(inode), time_wait()])
    assert inodes_of(Tracker().see(rows)) == [expected]


def test_ages_begin_with_the_pass_that_first_sees_a_socket_and_end_with_it() -> None:
    tracker = Tracker()
    first, second = (Diag(80, port, states.CLOSE_WAIT, inode=port) for port in (1, 2))
    assert first_seen(tracker.see(dump([first]), 100)) == [100]
    assert first_seen(tracker.see(dump([first, second]), 110)) == [100, 110]
    assert first_seen(tracker.see(dump([second]), 120)) == [110]
    assert first_seen(tracker.see(dump([first, second]), 130)) == [130, 110]


def test_another_state_is_another_age() -> None:
    tracker = Tracker()
    tracker.see(dump([Diag(80, 1, states.CLOSE_WAIT, inode=3)]), 100)
    assert first_seen(tracker.see(dump([Diag(80, 1, states.TIME_WAIT, timer=3)]), 110)) == [110]


def test_a_socket_is_the_same_by_either_source() -> None:
    tracker = Tracker()
    tracker.see(parse("tcp", [Printed(80, 1, states.CLOSE_WAIT, inode=3)]), 100)
    assert first_seen(tracker.see(dump([Diag(80, 1, states.CLOSE_WAIT, inode=3)]), 110)) == [100]


def test_a_socket_that_is_accepted_gets_its_own_owner_and_keeps_its_age() -> None:
    tracker = Tracker()
    listens = Diag(80, 0, states.LISTEN, inode=7, cgroup_id=5)
    before = tracker.see(dump([listens, Diag(80, 1, states.CLOSE_WAIT, cgroup_id=5)]), 100)
    assert (cgroups_of(before), inodes_of(before)) == ([5], [7])
    after = tracker.see(dump([listens, Diag(80, 1, states.CLOSE_WAIT, inode=9, cgroup_id=6)]), 110)
    assert (cgroups_of(after), inodes_of(after), first_seen(after)) == ([6], [9], [100])


def test_what_was_there_before_the_exporter_is_as_old_as_its_silence_at_least() -> None:
    """With two digits; a shorter silence says nothing, nor does that of a socket that nobody tracks."""
    rows = dump([Diag(80, port, states.CLOSE_WAIT, inode=3) for port in (1, 2, 3)])
    identities = [found[2] for row in rows for found in cast("InetRows", row).tracked([0])]
    tracker = Tracker()
    tracker.see(rows, 10_000)
    assert tracker.sockets.unseeded() == {"tcp": (states.CLOSE_WAIT,)}
    silences = Silences(
        array("Q", [*identities[:2], 5]),
        bytearray([states.CLOSE_WAIT] * 3),
        array("I", [1_234_500, 4000, 9_000_000]),
    )
    tracker.sockets.seed("tcp", silences, 10_005)
    assert not tracker.sockets.unseeded()
    assert first_seen(tracker.see(rows, 10_005)) == [10_005 - 1200, 10_000, 10_000]
    assert first_seen(tracker.see(rows[1:], 10_010)) == [10_000, 10_000]
    assert set(first_seen(tracker.see(rows, 10_015))) == {10_000, 10_015}


def test_ages_are_asked_for_once_after_the_first_walk_of_a_table() -> None:
    """Whatever the answer is; a table that is not tracked any more is forgotten."""
    leak = dump([Diag(80, 1, states.CLOSE_WAIT)])
    tracker = Tracker()
    assert not tracker.sockets.unseeded()
    tracker.see(leak, table="tcp")
    tracker.see(leak, table="tcp6")
    tracker.sockets.seed("tcp", None, 0)
    assert tracker.sockets.unseeded().keys() == {"tcp6"}
    tracker.sockets.change(WANTED, 1, ("tcp",))
    assert not tracker.sockets.unseeded()
    tracker.sockets.change(frozenset(), 1, ("tcp",))
    tracker.see(leak, table="tcp")
    assert tracker.sockets.unseeded().keys() == {"tcp"}


def test_ages_are_asked_for_after_the_first_walk_that_succeeds() -> None:
    """Before it no socket is known whose age the answer could be."""
    tracker = Tracker()
    counter = TableCounter(TABLES["tcp"], make_rules())
    counter.begin((), NOTHING_EXPECTED)
    tracker.sockets.change(WANTED, 10, ("tcp",))
    tracker.sockets.begin("tcp", counter, (), 0)
    assert not tracker.sockets.unseeded()
    tracker.see(dump([Diag(80, 1, states.CLOSE_WAIT)]))
    assert tracker.sockets.unseeded().keys() == {"tcp"}


def test_ages_are_asked_for_in_states_that_begin_with_a_segment() -> None:
    """In SYN_SENT none has come yet, and the kernel's answer is the time since it started."""
    found = (states.SYN_SENT, states.FIN_WAIT2, states.CLOSE_WAIT)
    rows = dump([Diag(80, state, state) for state in found])
    tracker = Tracker()
    assert tracker.see(rows[:1], 100, wanted=found).known_since == {
        states.SYN_SENT: 100,
        states.FIN_WAIT2: -math.inf,
        states.CLOSE_WAIT: -math.inf,
    }
    assert not tracker.sockets.unseeded()
    tracker = Tracker()
    tracker.see(rows, 100, wanted=found)
    assert {"tcp": {states.FIN_WAIT2, states.CLOSE_WAIT}} == {
        table: set(unseeded) for table, unseeded in tracker.sockets.unseeded().items()
    }
    tracker.sockets.seed("tcp", Silences(array("Q"), bytearray(), array("I")), 105)
    assert tracker.see(rows, 105, wanted=found).known_since == {
        states.SYN_SENT: 100,
        states.FIN_WAIT2: -math.inf,
        states.CLOSE_WAIT: -math.inf,
    }


def test_cgroups_with_a_name_need_no_inodes() -> None:
    rows = [Diag(80, port, states.CLOSE_WAIT, inode=port, cgroup_id=port) for port in (1, 2)]
    assert inodes_of(Tracker().see(dump(rows), named={1})) == [2]
    assert inodes_of(Tracker().see(dump(rows), named=EVERY_CGROUP)) == []
    assert (list(EVERY_CGROUP), len(EVERY_CGROUP)) == ([], 0)


def test_a_walk_that_began_again_leaves_nothing_of_the_one_before() -> None:
    """As where netlink was busy half way."""
    tracker = Tracker()
    counter = TableCounter(TABLES["tcp"], make_rules())
    counter.begin((), NOTHING_EXPECTED)
    tracker.sockets.change(WANTED, 10, ("tcp",))
    tracker.sockets.begin("tcp", counter, (), 0).observe(dump([Diag(80, 1, states.CLOSE_WAIT)])[0])
    assert sum(tracker.see(dump([Diag(80, 2, states.CLOSE_WAIT)])).groups.values()) == 1


def test_nothing_is_left_of_sockets_that_are_gone_and_a_followed_one_takes_few_bytes() -> None:
    """Very many, and then none."""
    number = 20_000
    tracker = Tracker()
    rows = parse(
        "tcp", (Printed(80, i % 60_000, states.CLOSE_WAIT, peer=i, inode=i + 1) for i in range(number))
    )
    empty = parse("tcp", [])
    tracker.see(parse("tcp", [Printed(80, 1, states.ESTABLISHED, peer=1)]))  # makes the counter's indexes
    tracemalloc.start()
    try:
        for now in (1, 2):
            tracked = tracker.see(rows, now, named=EVERY_CGROUP)
        assert sum(tracked.groups.values()) == number
        del tracked
        held_bytes, _ = tracemalloc.get_traced_memory()
        tracker.see(empty, 3)
        left_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes / number < MAX_BYTES
    assert left_bytes < 300_000 < held_bytes / 4  # a cache of addresses
