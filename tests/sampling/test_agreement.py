"""Counts, ages and owners of one pass are of the same sockets, to the last one."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config.settings import Ages, Owners, Ports, Tracked
from exporter.kernel import states
from exporter.sampling import sampler as sampler_module
from exporter.sampling.snapshot import Snapshot
from tests.support.procfs_tree import Printed
from tests.support.sampling.host import Clock, Host, all_sockets, lay_out, listening
from tests.support.sampling.netlink import Diag, Netlink, OwnProcfs
from tests.support.sampling.settings import SETTINGS

TRACKED_STATES = ("close_wait", "time_wait")
EVERYTHING = replace(
    SETTINGS,
    tables=("tcp", "tcp6"),
    ports=Ports(limit=3),
    tracked=Tracked(states=TRACKED_STATES),
    ages=Ages(stuck_after_seconds=-1.0),  # so that all that are followed are stuck
    owners=Owners(by="unit"),
)

ports = st.sampled_from([22, 80, 8443, 50000, 50001])
rows = st.builds(
    lambda local, remote, state, accepted, peer: (local, remote, state, accepted, peer),
    ports,
    st.sampled_from([22, 443, 9999]),
    st.sampled_from([states.ESTABLISHED, states.CLOSE_WAIT, states.CLOSE_WAIT, states.TIME_WAIT]),
    st.booleans(),
    st.integers(1, 3),
)
passes = st.lists(
    st.tuples(st.lists(rows, max_size=12), st.lists(rows, max_size=6), st.frozensets(ports, max_size=2)),
    min_size=1,
    max_size=5,
)
Row = tuple[int, int, int, bool, int]


def check(snapshot: Snapshot) -> None:
    """Compare everything that is said of tracked sockets."""
    counted = {key: n for key, n in all_sockets(snapshot).items() if key.state in TRACKED_STATES}
    stuck = snapshot.samples["netstat_stuck_sockets"]
    ((_, untracked),) = snapshot.samples["netstat_exporter_untracked_sockets"].items()
    assert set(stuck) == set(counted) == set(snapshot.samples["netstat_oldest_socket_age_seconds"])
    assert all(stuck[key] <= number for key, number in counted.items())
    assert sum(stuck.values()) + untracked == sum(counted.values())
    by_owner, both_families = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for labels, number in snapshot.samples["netstat_owner_sockets"].items():
        by_owner[labels[:-1]] += int(number)
    for key, number in counted.items():
        both_families[key.protocol, *key[2:]] += int(number)
    assert +by_owner == +both_families


def print_rows(found: Iterable[Row]) -> list[Printed]:
    """Return rows as procfs has them; one that waits for accept, or in TIME_WAIT, has no inode."""
    return [
        Printed(
            local,
            remote,
            state,
            peer=peer,
            inode=0 if state == states.TIME_WAIT or not accepted else local + remote + peer,
            timer=3 if state == states.TIME_WAIT else 0,
        )
        for local, remote, state, accepted, peer in found
    ]


@settings(max_examples=10)
@given(passes=passes, limit=st.sampled_from([1, 3, 100]))
def test_over_procfs(
    tmp_path_factory: pytest.TempPathFactory,
    passes: list[tuple[list[Row], list[Row], frozenset[int]]],
    limit: int,
) -> None:
    """Sockets come, go, are accepted, change their state, and are listed twice, block after block."""
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        patch.setattr(sampler_module, "time", clock)
        settings_used = replace(EVERYTHING, tracked=Tracked(TRACKED_STATES, limit))
        host = Host(lay_out(tmp_path_factory.mktemp("tree")), clock, settings_used)
        host.see(tcp6=[])  # so that all ages are known
        for tcp, tcp6, listeners in passes:
            snapshot = host.see(
                tcp=[*map(listening, listeners), *print_rows(tcp)],
                tcp6=[*map(listening, listeners), *print_rows(tcp6)],
            )
            check(snapshot)


@settings(max_examples=10)
@given(passes=passes, limit=st.sampled_from([1, 3, 100]))
def test_over_netlink(
    tmp_path_factory: pytest.TempPathFactory,
    passes: list[tuple[list[Row], list[Row], frozenset[int]]],
    limit: int,
) -> None:
    """Which lists a socket twice, now and then, and counts it twice: so do ages and owners."""
    with pytest.MonkeyPatch.context() as patch:
        clock, netlink = Clock(), Netlink()
        patch.setattr(sampler_module, "time", clock)
        netlink.install(patch)
        tree = lay_out(tmp_path_factory.mktemp("tree"))
        tree.fill("tcp6")
        used = replace(EVERYTHING, source="netlink", tracked=Tracked(TRACKED_STATES, limit))
        host = Host(tree, clock, used, procfs=OwnProcfs(str(tree.root)))
        host.see()
        for tcp, tcp6, listeners in passes:
            for table, found in (("tcp", tcp), ("tcp6", tcp6)):
                listen = [Diag(port, state=states.LISTEN, inode=port, cgroup_id=port) for port in listeners]
                netlink.fill(table, *listen, *map(make_diag, found))
            snapshot = host.see()
            assert {status.source for status in snapshot.tables} == {"netlink"}
            check(snapshot)


def make_diag(row: Row) -> Diag:
    """Return a row as netlink has it."""
    local, remote, state, accepted, peer = row
    is_mini = state == states.TIME_WAIT
    return Diag(
        local,
        remote,
        state,
        inode=0 if is_mini or not accepted else local + peer,
        cgroup_id=0 if is_mini else peer,
        peer=bytes([10, 0, 0, peer]).ljust(16, b"\0"),
        timer=3 if is_mini else 0,
    )


def totals(snapshot: Snapshot) -> Mapping[str, float]:
    """Return what is followed and what is not."""
    samples = snapshot.samples
    return {
        "stuck": sum(samples["netstat_stuck_sockets"].values()),
        "untracked": samples["netstat_exporter_untracked_sockets"][()],
    }


def test_the_limit_is_for_all_tables_together_and_who_is_followed_stays(host: Host) -> None:
    """A place is free at the pass after it was left."""
    host.change(replace(EVERYTHING, tracked=Tracked(("close_wait",), 4)))
    leak = [Printed(80, 1, states.CLOSE_WAIT, peer=i) for i in range(3)]
    assert totals(host.see(tcp=leak, tcp6=leak)) == {"stuck": 4, "untracked": 2}
    assert totals(host.see()) == {"stuck": 4, "untracked": 2}
    assert totals(host.see(tcp=leak[:1])) == {"stuck": 2, "untracked": 2}
    assert totals(host.see()) == {"stuck": 4, "untracked": 0}
