"""Watched sockets are labelled one by one as the table is whole, and nothing is read where there are none."""

import struct
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from exporter.kernel import states
from exporter.kernel.sockdetails import ADDRESS_BYTES, Detail
from exporter.kernel.tables import Table
from exporter.sampling import watched as watched_module
from exporter.sampling.attribution import Attribution
from exporter.sampling.counting import TableCount
from exporter.sampling.ports import Service
from exporter.sampling.sampler import Sampler
from exporter.sampling.settings import Settings
from exporter.sampling.stuck import OLDEST_AGE, STUCK_SOCKETS, UNFOLLOWED
from exporter.sampling.watched import WATCHABLE_STATES, Watcher
from tests.support.procfs_tree import Printed, ProcfsTree
from tests.support.sampling.odd_procfs import CountingProcfs
from tests.support.sampling.passes import RULES
from tests.support.sampling.watched import SETTINGS, lay_out

ALL_STATES = replace(SETTINGS, stuck_states=WATCHABLE_STATES, stuck_after_seconds=1e-9, owners_by="none")
WAITING = replace(SETTINGS, stuck_states=("time_wait", "close_wait"))
COUNT = TableCount({Service("inbound", 80): [1] * 18}, {80: 0})
ATTRIBUTION = Attribution(RULES, {80, 443}, {"tcp": {22, 80}, "tcp6": {22, 80}})
LOOPBACK = bytes([127, 0, 0, 1]).ljust(ADDRESS_BYTES, b"\0")
IPV6_LOOPBACK, MAPPED_ANY, MAPPED_LOOPBACK = (
    int("".join(f"{word:08X}" for word in struct.unpack("=4I", ip_address(text).packed)), 16)
    for text in ("::1", "::ffff:0.0.0.0", "::ffff:127.0.0.1")
)
PORTS = st.sampled_from([22, 80, 443, 8443, 40000, 50000])
ROWS = st.lists(
    st.tuples(PORTS, PORTS, st.sampled_from(sorted(states.TCP))).map(lambda row: Printed(*row)),
    unique_by=lambda row: row[:2],
    max_size=12,
)


@pytest.fixture
def tree(tmp_path: Path) -> ProcfsTree:
    """Lay out a procfs with a table tcp6."""
    tree = lay_out(tmp_path)
    tree.fill("tcp6")
    return tree


@given(rows=st.fixed_dictionaries({"tcp": ROWS, "tcp6": ROWS}), limit=st.integers(1, 5))
def test_sockets_have_the_series_of_their_table(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[str, list[Printed]], limit: int
) -> None:
    """Zeros and folded ports included; at the second pass all are stuck."""
    tree = lay_out(tmp_path_factory.mktemp("tree"))
    for table, printed in rows.items():
        tree.fill(table, *printed)
    sampler = Sampler(tree.procfs(), replace(ALL_STATES, ports_limit=limit))
    sampler.take_snapshot()
    snapshot = sampler.take_snapshot()
    expected = {
        key: number
        for key, number in snapshot.sockets.items()
        if key.protocol == "tcp" and key.state in WATCHABLE_STATES
    }
    assert expected == snapshot.measures[STUCK_SOCKETS]
    assert expected.keys() == snapshot.measures[OLDEST_AGE].keys()
    assert {(): 0} == snapshot.measures[UNFOLLOWED]


@pytest.mark.parametrize(
    ("settings", "state", "expected"),
    [
        (SETTINGS, states.ESTABLISHED, 1),
        (SETTINGS, states.CLOSE_WAIT, 2),
        (replace(SETTINGS, stuck_states=()), states.CLOSE_WAIT, 1),
        (replace(SETTINGS, stuck_states=("time_wait", "established")), states.ESTABLISHED, 2),
    ],
)
def test_table_is_read_again_only_for_sockets_that_were_counted(
    tree: ProcfsTree, settings: Settings, state: int, expected: int
) -> None:
    tree.fill("tcp", Printed(80, state=states.LISTEN), Printed(80, 1, state))
    procfs = CountingProcfs(tree.root, "tcp")
    Sampler(procfs, settings).take_snapshot()
    assert expected == procfs.reads


def test_minisocket_is_its_listeners(tree: ProcfsTree) -> None:
    """So is a connection that waits for accept; where it did not come in, it is nobody's."""
    tree.fill(
        "tcp",
        Printed(80, state=states.LISTEN, inode=7),
        Printed(80, 1, states.TIME_WAIT, inode=0, timer=3),
        Printed(80, 2, states.CLOSE_WAIT, inode=0),
        Printed(80, 3, states.CLOSE_WAIT, inode=8),
        Printed(50000, 443, states.TIME_WAIT, inode=0, timer=3),
    )
    watched = Watcher(tree.procfs(), netlink_reachable=False).read("tcp", COUNT, ATTRIBUTION, WAITING)
    series = [watched.groups[place].series for place in watched.places]
    assert [
        ("time_wait", "80"),
        ("close_wait", "80"),
        ("close_wait", "80"),
        ("time_wait", "443"),
    ] == [(one.state, one.port) for one in series]
    assert [7, 7, 8, 0] == list(watched.inodes)


def test_minisocket_is_that_of_the_listener_at_its_address(tree: ProcfsTree) -> None:
    """Else of the one at any, else nobody's, whoever listens at the port elsewhere."""
    tree.fill(
        "tcp",
        *(Printed(80, state=states.LISTEN, inode=7 + own, own=own) for own in (0, 1, 2)),
        Printed(22, state=states.LISTEN, inode=10, own=1),
        *(Printed(80, 1, states.TIME_WAIT, inode=0, timer=3, own=own) for own in (1, 2, 3)),
        Printed(22, 1, states.TIME_WAIT, inode=0, timer=3, own=2),
    )
    watcher = Watcher(tree.procfs(), netlink_reachable=False)
    assert [8, 9, 7, 0] == list(watcher.read("tcp", COUNT, ATTRIBUTION, WAITING).inodes)


def test_minisocket_of_ipv4_in_tcp6_is_that_of_the_listener_at_any_of_ipv4(tree: ProcfsTree) -> None:
    """Else of the one at any, and so is one of IPv6; numbers are as the kernel prints addresses."""
    tree.fill(
        "tcp6",
        Printed(80, state=states.LISTEN, inode=7),
        Printed(80, state=states.LISTEN, inode=8, own=MAPPED_ANY),
        Printed(22, state=states.LISTEN, inode=9),
        Printed(80, 1, states.TIME_WAIT, inode=0, timer=3, own=MAPPED_LOOPBACK),
        Printed(80, 1, states.TIME_WAIT, inode=0, timer=3, own=IPV6_LOOPBACK),
        Printed(22, 1, states.TIME_WAIT, inode=0, timer=3, own=MAPPED_LOOPBACK),
    )
    watcher = Watcher(tree.procfs(), netlink_reachable=False)
    assert [8, 7, 9] == list(watcher.read("tcp6", COUNT, ATTRIBUTION, WAITING).inodes)


@pytest.mark.parametrize(
    ("cgroup_ids", "expected"), [((5, 5, 5), 5), ((5, 6, 5), None), ((0, 0, 0), None), ((5, 5, 0), None)]
)
def test_minisocket_of_listeners_at_one_address_is_their_cgroups_if_it_is_one(
    tree: ProcfsTree, monkeypatch: pytest.MonkeyPatch, cgroup_ids: tuple[int, ...], expected: int | None
) -> None:
    """The kernel does not tell which of them took it in; what waits for accept has a cgroup of its own."""
    listeners = [
        Detail(80, 0, states.LISTEN, 7 + place, 1 + place, LOOPBACK, cgroup_id)
        for place, cgroup_id in enumerate(cgroup_ids)
    ]
    connections = [
        Detail(80, 40000, states.TIME_WAIT, 0, 9, LOOPBACK, 0),
        Detail(80, 40001, states.CLOSE_WAIT, 0, 10, LOOPBACK, 4),
    ]

    def read_details(table: Table, wanted: set[int], deadline: float) -> Iterator[Detail]:
        del table, deadline
        yield from (detail for detail in (*listeners, *connections) if detail.state in wanted)

    monkeypatch.setattr(watched_module, "read_details", read_details)
    watched = Watcher(tree.procfs(), netlink_reachable=True).read("tcp", COUNT, ATTRIBUTION, WAITING)
    assert [expected, 4] == [watched.groups[place].cgroup_id for place in watched.places]
    assert [0, 0] == list(watched.inodes)


@pytest.mark.parametrize(("inode", "expected"), [(7, 7), (8, 0)])
def test_listener_that_is_printed_twice_is_one(tree: ProcfsTree, inode: int, expected: int) -> None:
    """As a table that changes meanwhile may repeat a row; another at its address is another's, perhaps."""
    tree.fill(
        "tcp",
        *(Printed(80, state=states.LISTEN, inode=number) for number in (7, inode)),
        Printed(80, 1, states.TIME_WAIT, inode=0, timer=3),
    )
    watcher = Watcher(tree.procfs(), netlink_reachable=False)
    assert [expected] == list(watcher.read("tcp", COUNT, ATTRIBUTION, WAITING).inodes)


def test_sockets_that_cannot_be_looked_at_cost_their_measures_only(tree: ProcfsTree) -> None:
    """It is told once, no zero is told meanwhile, and ages go on."""
    tree.fill("tcp", Printed(80, state=states.LISTEN), Printed(80, 1, states.CLOSE_WAIT))
    procfs = CountingProcfs(tree.root, "tcp", failing=(4, 6))
    sampler = Sampler(procfs, replace(SETTINGS, stuck_after_seconds=1e-9))
    sampler.take_snapshot()
    with capture_logs() as logs:
        for _ in range(2):
            failed = sampler.take_snapshot()
            assert {"ipv6"} == {labels[1] for labels in failed.measures[STUCK_SOCKETS]}
            assert 1 == sum(number for key, number in failed.sockets.items() if key.state == "close_wait")
        assert 1 == sum(sampler.take_snapshot().measures[STUCK_SOCKETS].values())
    assert [("watched sockets cannot be read", "tcp"), ("watched sockets can be read again", "tcp")] == [
        (log["event"], log["table"]) for log in logs
    ]
