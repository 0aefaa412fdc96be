"""An age grows while the socket is there, and what was not measured is no zero."""

from dataclasses import replace

from exporter.config.settings import Ages, Tracked
from exporter.kernel import states
from exporter.sampling.snapshot import Snapshot
from tests.support.procfs_tree import Printed
from tests.support.sampling.host import Host, listening
from tests.support.sampling.settings import SETTINGS

KEY = ("tcp", "ipv4", "close_wait", "inbound", "80", "http")


def leak(*peers: int) -> list[Printed]:
    """Return a listener, and connections in CLOSE_WAIT."""
    return [listening(80), *(Printed(80, 1, states.CLOSE_WAIT, peer=peer) for peer in peers)]


def ages(snapshot: Snapshot, state: str = "close_wait") -> tuple[float | None, float | None]:
    """Return how many are stuck, and the age of the oldest; None for what is not shown."""
    key = (*KEY[:2], state, *KEY[3:])
    stuck, oldest = (
        snapshot.samples[name].get(key)
        for name in ("netstat_stuck_sockets", "netstat_oldest_socket_age_seconds")
    )
    return stuck, oldest


def test_ages_grow_and_end_with_their_sockets(host: Host) -> None:
    """One is stuck when it is older than is set; a zero is shown where there is a listener."""
    host.change(replace(SETTINGS, ages=Ages(stuck_after_seconds=10)))
    assert ages(host.see(tcp=leak())) == (0, 0)
    assert ages(host.see(tcp=leak(1))) == (0, 0)
    assert ages(host.see(10, tcp=leak(1, 2))) == (0, 10)
    assert ages(host.see(1)) == (1, 11)
    assert ages(host.see(10)) == (2, 21)
    assert ages(host.see(10, tcp=leak(2))) == (1, 21)
    assert ages(host.see(10, tcp=leak())) == (0, 0)
    assert ages(host.see(10, tcp=leak(1))) == (0, 0)


def test_ages_that_are_not_known_are_not_shown(host: Host) -> None:
    """Sockets of the first pass may be stuck already: a 0 would end an alert, and look like growth.

    This holds for the other family, too, as both are added up.
    """
    host.change(replace(SETTINGS, ages=Ages(stuck_after_seconds=10)))
    seen = host.see(tcp=leak(1, 2, 3), tcp6=leak())
    assert ages(seen) == (None, None)
    assert seen.samples["netstat_stuck_sockets"] == {} == seen.samples["netstat_oldest_socket_age_seconds"]
    assert ages(host.see(10, tcp=leak(1, 2, 4))) == (None, 10)
    assert ages(host.see(1)) == (2, 11)


def test_ages_are_not_known_in_a_state_that_was_not_tracked_before(host: Host) -> None:
    waiting = Printed(80, 2, states.FIN_WAIT2)
    host.change(replace(SETTINGS, ages=Ages(stuck_after_seconds=10)))
    host.see(tcp=[*leak(), waiting])
    host.change(
        replace(SETTINGS, ages=Ages(stuck_after_seconds=10), tracked=Tracked(("close_wait", "fin_wait2")))
    )
    seen = host.see(10, tcp=[*leak(1), waiting])
    assert (ages(seen), ages(seen, "fin_wait2")) == ((0, 0), (None, None))
    seen = host.see(11)
    assert (ages(seen), ages(seen, "fin_wait2")) == ((1, 11), (1, 11))


def test_a_table_that_could_not_be_read_keeps_its_ages(host: Host) -> None:
    """It shows nothing meanwhile."""
    host.see(tcp=leak(1))
    host.tree.make_fifo("tcp")
    samples = host.see(10).samples
    assert samples["netstat_stuck_sockets"] == {} == samples["netstat_oldest_socket_age_seconds"]
    assert ages(host.see(10, tcp=leak(1))) == (None, 20)


def test_new_settings_keep_ages_and_switching_off_forgets_them(host: Host) -> None:
    host.see(tcp=leak(1))
    host.change(replace(SETTINGS, ages=Ages(stuck_after_seconds=1)))
    assert ages(host.see(20)) == (1, 20)
    off = replace(SETTINGS.owners, enabled=False)
    host.change(replace(SETTINGS, ages=Ages(enabled=False), owners=off))
    host.see(5)
    host.change(SETTINGS)
    assert ages(host.see(5)) == (None, None)
