"""What sockets drop is added up once, and the sum never falls, whatever becomes of the sockets."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.drops import Dropping
from exporter.sampling.drops import SERIES_KEPT_SECONDS, SOCKETS_KEPT_LOOKS, SocketDrops, UdpDrops
from exporter.sampling.sampler import Sampler
from exporter.sampling.snapshot import ListenerKey, SocketKey
from exporter.sampling.sources import PROCFS
from tests.support.procfs_tree import Printed, ProcfsTree, print_table
from tests.support.sampling.watched import SETTINGS, lay_out, pass_over

SHOWN = {SocketKey("udp", "ipv4", "unconnected", "inbound", "53", "domain"): 1}


def socket(drops: int, inode: int = 1, cookie: int = 0) -> Dropping:
    """Return a socket on port 514."""
    return Dropping(514, 0, inode, cookie, drops)


@given(
    st.lists(
        st.dictionaries(st.integers(1, 5), st.integers(1, 5), max_size=4),
        max_size=SOCKETS_KEPT_LOOKS,
    )
)
def test_sum_is_what_was_dropped(passes: list[dict[int, int]]) -> None:
    """Sockets drop some more between looks, and are missed by some; what was missed is added later."""
    noted = SocketDrops()
    dropped: dict[int, int] = {}
    seen: dict[int, int] = {}
    total = 0
    for dropping in passes:
        for inode, more in dropping.items():
            dropped[inode] = dropped.get(inode, 0) + more
        listed = [inode for inode in dropping if inode % 2 or dropped[inode] > 3]
        seen.update((inode, dropped[inode]) for inode in listed)
        total += sum(noted.note([socket(dropped[inode], inode) for inode in listed]))
        assert total == sum(seen.values())


@given(st.lists(st.lists(st.builds(socket, st.integers(1, 9), st.integers(0, 3), st.integers(0, 3)))))
def test_nothing_is_ever_taken_away(passes: list[list[Dropping]]) -> None:
    """Sockets with old inodes, without any, or listed twice."""
    noted = SocketDrops()
    for dropping in passes:
        assert all(more >= 0 for more in noted.note(dropping))


def test_new_socket_with_an_old_inode_starts_anew() -> None:
    """It is told by having dropped less, or by its cookie."""
    noted = SocketDrops()
    assert [9] == noted.note([socket(9, cookie=1)])
    assert [10] == noted.note([socket(10, cookie=2)])
    assert [3] == noted.note([socket(3)])
    assert [1] == noted.note([socket(4, cookie=5)])


def test_gone_sockets_are_forgotten() -> None:
    """Not at once, as procfs may miss one; an inode that comes back much later is another socket's."""
    noted = SocketDrops()
    noted.note([socket(9)])
    for _ in range(SOCKETS_KEPT_LOOKS):
        noted.note([])
    assert [1] == noted.note([socket(10)])
    for _ in range(SOCKETS_KEPT_LOOKS + 1):
        noted.note([])
    assert [11] == noted.note([socket(11)])


class Udp:
    """A sampler of a table of UDP."""

    def __init__(self, tree: ProcfsTree) -> None:
        self.tree = tree
        self.sampler = Sampler(tree.procfs(), SETTINGS)

    def measure(self, **drops: int) -> dict[str, float] | None:
        """Return the drops by port after a pass over sockets with a port and an inode, ``p514_1``."""
        rows = []
        for name, dropped in drops.items():
            port, inode = map(int, name.removeprefix("p").split("_"))
            table = print_table("udp", [Printed(port, state=states.CLOSE, inode=inode)])
            rows.append(table.splitlines()[1].rstrip()[:-1] + b"%d\n" % dropped)
        self.tree.write("udp", print_table("udp") + b"".join(rows))
        measured = self.sampler.take_snapshot().measures.get("udp_drops_total")
        return None if measured is None else {key[2]: value for key, value in measured.items()}


@pytest.fixture
def udp(tmp_path: Path) -> Udp:
    """Sample a procfs of one's own; port 443 is always shown."""
    return Udp(lay_out(tmp_path))


def test_drops_by_port(udp: Udp) -> None:
    """From the second pass on, zeros for every port shown, and none when the table cannot be read."""
    assert udp.measure(p514_1=7, p53_2=0) == {}
    assert udp.measure(p514_1=7, p53_2=0) == {"443": 0, "514": 0, "53": 0, "other": 0}
    assert udp.measure(p514_1=9, p514_3=1, p40000_4=5) == {"443": 0, "514": 3, "53": 0, "other": 5}
    assert udp.measure() == {"443": 0, "514": 3, "53": 0, "other": 5}
    udp.tree.make_fifo("udp")
    assert udp.sampler.take_snapshot().measures["udp_drops_total"] == {}
    assert udp.measure(p514_1=10) == {"443": 0, "514": 4, "53": 0, "other": 5}


def test_switched_off_and_on(udp: Udp) -> None:
    """What is dropped meanwhile is not counted, and nothing falls."""
    udp.measure(p514_1=7)
    assert udp.measure(p514_1=8) == {"443": 0, "514": 1, "other": 0}
    udp.sampler.change_settings(replace(SETTINGS, drops=False))
    assert udp.measure(p514_1=20) is None
    udp.sampler.change_settings(SETTINGS)
    assert udp.measure(p514_1=30) == {}
    assert udp.measure(p514_1=32) == {"443": 0, "514": 3, "other": 0}


def test_tables_of_udp_alone_are_looked_at(udp: Udp) -> None:
    udp.sampler.change_settings(replace(SETTINGS, tables=("tcp",)))
    assert udp.measure(p514_1=7) == {}
    assert udp.measure(p514_1=8) == {}


Measure = Callable[[float, int], dict[tuple[str, ...], float]]
KEY = ListenerKey("udp", "ipv4", "other", "other")


@pytest.fixture
def measure_at(tmp_path: Path) -> Measure:
    """Measure at a time what a socket has dropped; one without drops is not listed."""
    tree, drops = lay_out(tmp_path), UdpDrops()

    def measure(now: float, dropped: int) -> dict[tuple[str, ...], float]:
        row = print_table("udp", [Printed(514, state=states.CLOSE)]).splitlines()[1].rstrip()[:-1]
        tree.write("udp", print_table("udp") + (row + b"%d\n" % dropped if dropped else b""))
        seen = pass_over(tree.procfs(), SHOWN, now, {"udp": PROCFS})
        return dict(drops.measure(seen)["udp_drops_total"])

    return measure


def test_series_of_a_port_that_is_gone_leaves_after_an_hour(measure_at: Measure) -> None:
    """Then it begins at 0 again, which is the reset of a counter."""
    measure_at(0.0, 0)
    assert measure_at(1.0, 9)[KEY] == 9
    assert measure_at(SERIES_KEPT_SECONDS, 0)[KEY] == 9
    assert KEY not in measure_at(SERIES_KEPT_SECONDS + 2, 0)
    assert measure_at(SERIES_KEPT_SECONDS + 3, 4)[KEY] == 4


def test_socket_that_a_look_misses_is_not_counted_again(measure_at: Measure) -> None:
    """However long the pause between passes is."""
    expected = [(0, None), (9, 9), (0, 9), (9, 9), (11, 11)]
    for place, (dropped, total) in enumerate(expected):
        assert measure_at(600.0 * place, dropped).get(KEY) == total
