"""The busiest destination is found in bounded memory, where connections to its port are many."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.sampling import destinations
from exporter.sampling.destinations import count_most_frequent
from exporter.sampling.sampler import Sampler
from tests.support.procfs_tree import Printed, ProcfsTree
from tests.support.sampling.odd_procfs import CountingProcfs
from tests.support.sampling.watched import SETTINGS, lay_out


@pytest.fixture
def tree(tmp_path: Path) -> ProcfsTree:
    """Lay out a procfs with few ephemeral ports."""
    tree = lay_out(tmp_path)
    tree.write_sysctl("net/ipv4/ip_local_port_range", b"20000 20099\n")
    return tree


def measure(tree: ProcfsTree, *rows: Printed) -> Mapping[tuple[str, ...], float]:
    """Return what a pass measures of a table of TCP."""
    tree.fill("tcp", *rows)
    return Sampler(tree.procfs(), SETTINGS).take_snapshot().measures["ephemeral_ports_busiest_destination"]


def test_destinations_are_not_added_up(tree: ProcfsTree) -> None:
    """Nor are ports, and those that came in are none."""
    rows = [Printed(20000 + i, 5432, peer=i % 3, state=states.TIME_WAIT) for i in range(10)]
    rows += [Printed(20000 + i, 3306, peer=9) for i in range(12)]
    rows += [Printed(80, 5432, peer=1), Printed(80, state=states.LISTEN)]
    assert measure(tree, *rows) == {
        ("tcp", "ipv4", "5432", "postgresql"): 4,
        ("tcp", "ipv4", "3306", "mysql"): 12,
    }


def test_few_connections_and_nameless_ports_are_not_looked_at(tree: ProcfsTree) -> None:
    rows = [Printed(20000 + i, 5432) for i in range(9)]
    rows += [Printed(20000 + i, 7) for i in range(40)]
    assert measure(tree, *rows) == {}


def test_a_look_holds_until_connections_are_more_or_fewer_or_a_minute_is_over(
    tree: ProcfsTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered is never more than there are connections."""
    sampler = Sampler(tree.procfs(), SETTINGS)

    def measure_again(*peers: int) -> list[float]:
        tree.fill("tcp", *(Printed(20000 + i, 5432, peer=peer) for i, peer in enumerate(peers)))
        measures = sampler.take_snapshot().measures
        return list(measures["ephemeral_ports_busiest_destination"].values())

    assert [20] == measure_again(*[1] * 20)
    assert [19] == measure_again(*[1, 2] * 9, 1)
    assert [9] == measure_again(*[1, 2] * 8, 1)
    assert [10] == measure_again(*[1, 1, 2, 3, 4] * 5)
    assert [10] == measure_again(*[1] * 25)
    monkeypatch.setattr(destinations, "LOOK_AGAIN_SECONDS", 0)
    assert [25] == measure_again(*[1] * 25)


def test_the_nearer_the_end_the_more_looks(tree: ProcfsTree) -> None:
    """One more of a hundred is of no matter where half is left, and seen where three are."""
    sampler = Sampler(tree.procfs(), SETTINGS)
    seen: list[float] = []
    for connections in (50, 51, 97, 98, 99, 100):
        tree.fill("tcp", *(Printed(20000 + i, 5432, peer=1) for i in range(connections)))
        measures = sampler.take_snapshot().measures
        seen += measures["ephemeral_ports_busiest_destination"].values()
    assert [50, 50, 97, 98, 99, 100] == seen


def test_look_that_fails_costs_no_other(tree: ProcfsTree) -> None:
    """A pass reads the table to count it, and again for each port whose connections have changed."""
    rows = [Printed(20000 + i, port) for port in (5432, 3306) for i in range(20)]
    procfs = CountingProcfs(tree.root, "tcp", failing=[5])
    sampler = Sampler(procfs, SETTINGS)
    for more, expected in [(0, 3), (10, 5), (10, 7), (10, 8)]:
        tree.fill("tcp", *(Printed(20050 + i, 5432) for i in range(more)), *rows)
        sampler.take_snapshot()
        assert expected == procfs.reads


@given(st.lists(st.lists(st.integers(0, 9))))
def test_most_frequent(batches: list[list[int]]) -> None:
    """It is that of a plain count."""
    plain = Counter(number for batch in batches for number in batch)
    found = count_most_frequent(map(bytes, ([n] for n in batch)) for batch in batches)
    assert max(plain.values(), default=0) == found


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many destinations there are, the busiest is found, as it is there from the beginning."""
    monkeypatch.setattr(destinations, "MOST_DESTINATIONS", 100)
    batches = ([b"busiest", *(b"%d %d" % (batch, i) for i in range(40))] for batch in range(1000))
    assert count_most_frequent(batches) == 1000
