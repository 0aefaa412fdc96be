"""An age grows while the socket is there, and what was not measured is no zero."""

from dataclasses import replace

from exporter.config.settings import Ages
from exporter.kernel import states
from exporter.sampling.snapshot import Snapshot
from tests.support.procfs_tree import Printed
from tests.support.sampling.host import Host, listening
from tests.support.sampling.settings import SETTINGS

KEY = ("tcp", "ipv4", "close_wait", "inbound", "80", "http")


def leak(*peers: int) -> list[Printed]:
    """Return a listener, and connections in CLOSE_WAIT."""
    return [listening(80), *(Printed(80, 1, states.CLOSE_WAIT, peer=peer) for peer in peers)]


def ages(snapshot: Snapshot) -> tuple[float, float]:
    """Return how many are stuck, and the age of the oldest."""
    samples = snapshot.samples
    return samples["netstat_stuck_sockets"][KEY], samples["netstat_oldest_socket_age_seconds"][KEY]


def test_ages_grow_and_end_with_their_sockets(host: Host) -> None:
    """One is stuck when it is older than is set; a zero is shown where there is a listener."""
    host.change(replace(SETTINGS, ages=Ages(stuck_after_seconds=10)))
    assert ages(host.see(tcp=leak(1))) == (0, 0)
    assert ages(host.see(10, tcp=leak(1, 2))) == (0, 10)
    assert ages(host.see(1)) == (1, 11)
    assert ages(host.see(10)) == (2, 21)
    assert ages(host.see(10, tcp=leak(2))) == (1, 21)
    assert ages(host.see(10, tcp=leak())) == (0, 0)
    assert ages(host.see(10, tcp=leak(1))) == (0, 0)


def test_a_table_that_could_not_be_read_keeps_its_ages(host: Host) -> None:
    """It shows nothing meanwhile."""
    host.see(tcp=leak(1))
    host.tree.make_fifo("tcp")
    samples = host.see(10).samples
    assert samples["netstat_stuck_sockets"] == {} == samples["netstat_oldest_socket_age_seconds"]
    assert ages(host.see(10, tcp=leak(1))) == (0, 20)


def test_new_settings_keep_ages_and_switching_off_forgets_them(host: Host) -> None:
    host.see(tcp=leak(1))
    host.change(replace(SETTINGS, ages=Ages(stuck_after_seconds=1)))
    assert ages(host.see(20)) == (1, 20)
    off = replace(SETTINGS.owners, enabled=False)
    host.change(replace(SETTINGS, ages=Ages(enabled=False), owners=off))
    host.see(5)
    host.change(SETTINGS)
    assert ages(host.see(5)) == (0, 0)
