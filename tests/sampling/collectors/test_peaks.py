"""A peak is the highest count of the window, in memory that does not grow with the passes."""

from dataclasses import replace

import pytest

from exporter.config.settings import Peaks as PeaksSettings
from exporter.kernel import states
from exporter.sampling.snapshot import Snapshot
from tests.support.procfs_tree import Printed
from tests.support.sampling.host import Host, listening
from tests.support.sampling.settings import SETTINGS

WINDOW_SECONDS = 60.0
LONGEST_SECONDS = WINDOW_SECONDS * 13 / 12


def waiting(number: int) -> list[Printed]:
    """Return connections in TIME_WAIT, and others."""
    rows = [Printed(80, 1, states.TIME_WAIT, inode=0, timer=3, peer=i) for i in range(number)]
    return [listening(80), Printed(80, 2), *rows]


def peaks(snapshot: Snapshot) -> dict[str, float]:
    """Return peaks by state."""
    return {key[2]: number for key, number in snapshot.samples["netstat_sockets_peak"].items()}


def test_peak_is_of_the_window(host: Host) -> None:
    """Nothing of it is missed, nothing is much older, and only states that are wanted are shown."""
    assert peaks(host.see(tcp=waiting(9))) == {"time_wait": 9}
    assert peaks(host.see(5, tcp=waiting(2))) == {"time_wait": 9}
    assert peaks(host.see(5, tcp=waiting(0))) == {"time_wait": 9}
    assert peaks(host.see(WINDOW_SECONDS - 11)) == {"time_wait": 9}
    assert peaks(host.see(LONGEST_SECONDS, tcp=waiting(3))) == {"time_wait": 3}
    assert peaks(host.see(2 * LONGEST_SECONDS, tcp=waiting(0))) == {}


@pytest.mark.parametrize(
    "changed", [PeaksSettings(states=("time_wait",)), PeaksSettings(window_seconds=61.0)]
)
def test_other_settings_begin_anew(host: Host, changed: PeaksSettings) -> None:
    host.see(tcp=waiting(9))
    host.change(replace(SETTINGS, peaks=changed))
    assert peaks(host.see(1, tcp=waiting(1))) == {"time_wait": 1}


def test_memory_does_not_grow_with_the_passes(host: Host) -> None:
    """There is a bucket for each twelfth of the window, and the one that is under way."""
    for _ in range(100):
        host.see(1, tcp=waiting(1))
    collector = host.sampler._host._collectors["peaks"]  # noqa: SLF001 - what it keeps is tested
    assert len(vars(collector)["_buckets"]) <= 14


def test_a_table_that_could_not_be_read_shows_none(host: Host) -> None:
    host.see(tcp=waiting(9))
    host.tree.make_fifo("tcp")
    assert peaks(host.see(1)) == {}
    assert peaks(host.see(1, tcp=waiting(1))) == {"time_wait": 9}
