"""What sockets drop is added up once, and the sum never falls, whatever becomes of the sockets."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exporter.config.settings import Switch
from exporter.kernel import states
from exporter.kernel.rows import Dropping
from exporter.sampling.services.drops import SOCKETS_KEPT_PASSES, SocketDrops
from exporter.sampling.services.series import SERIES_KEPT_SECONDS
from tests.support.procfs_tree import Printed
from tests.support.sampling.host import Host, by_port
from tests.support.sampling.settings import SETTINGS


def socket(drops: int, inode: int = 1, cookie: int = 0) -> Dropping:
    """Return a socket on port 514."""
    return Dropping(514, 0, inode, cookie, drops)


@given(
    st.lists(
        st.dictionaries(st.integers(1, 5), st.integers(1, 5), max_size=4),
        max_size=SOCKETS_KEPT_PASSES,
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
    for _ in range(SOCKETS_KEPT_PASSES):
        noted.note([])
    assert [1] == noted.note([socket(10)])
    for _ in range(SOCKETS_KEPT_PASSES + 1):
        noted.note([])
    assert [11] == noted.note([socket(11)])


def measure(host: Host, *sockets: tuple[int, int, int], seconds: float = 5.0) -> dict[str, float] | None:
    """Return the drops by port after a pass over sockets with a port, an inode and drops."""
    rows = [Printed(port, state=states.CLOSE, inode=inode, drops=drops) for port, inode, drops in sockets]
    samples = host.see(seconds, udp=rows).samples.get("netstat_udp_drops_total")
    return None if samples is None else by_port(samples)


def test_drops_by_port(host: Host) -> None:
    """From the second pass on, zeros for every port shown, and none when the table cannot be read."""
    assert measure(host, (514, 1, 7), (53, 2, 0)) == {}
    assert measure(host, (514, 1, 7), (53, 2, 0)) == {"443": 0, "514": 0, "53": 0, "other": 0}
    found = measure(host, (514, 1, 9), (514, 3, 1), (40000, 4, 5))
    assert found == {"443": 0, "514": 3, "53": 0, "other": 5}
    assert measure(host) == {"443": 0, "514": 3, "53": 0, "other": 5}
    host.tree.make_fifo("udp")
    assert host.see().samples["netstat_udp_drops_total"] == {}
    assert measure(host, (514, 1, 10)) == {"443": 0, "514": 4, "53": 0, "other": 5}


def test_switched_off_and_on(host: Host) -> None:
    """What is dropped meanwhile is not counted; the counter begins at 0, which is a reset."""
    measure(host, (514, 1, 7))
    assert measure(host, (514, 1, 8)) == {"443": 0, "514": 1, "other": 0}
    host.change(replace(SETTINGS, udp_drops=Switch(enabled=False)))
    assert measure(host, (514, 1, 20)) is None
    host.change(SETTINGS)
    assert measure(host, (514, 1, 30)) == {}
    assert measure(host, (514, 1, 32)) == {"443": 0, "514": 2, "other": 0}


def test_series_of_a_port_that_is_gone_leaves_after_an_hour(host: Host) -> None:
    """Then it begins at 0 again, which is the reset of a counter."""
    measure(host)
    found = measure(host, (514, 1, 9))
    assert found is not None
    assert found["514"] == 9
    for _ in range(2):
        found = measure(host, seconds=SERIES_KEPT_SECONDS + 1)
    assert found is not None
    assert "514" not in found
    again = measure(host, (514, 7, 4))
    assert again is not None
    assert again["514"] == 4
