"""A peak is the highest count of the window, in memory that does not grow with the passes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel.procfs import Procfs
from exporter.sampling.capability import Pass
from exporter.sampling.peaks import Peaks
from exporter.sampling.sampler import Sampler
from exporter.sampling.settings import Settings
from exporter.sampling.snapshot import SocketKey
from tests.support.procfs_tree import CAPTURED
from tests.support.sampling.watched import SETTINGS, pass_over

WINDOW_SECONDS = 60.0
LONGEST_SECONDS = WINDOW_SECONDS * 13 / 12
PROCFS = Procfs(str(CAPTURED))


def key(state: str, port: str = "80") -> SocketKey:
    """Return the labels of a series."""
    return SocketKey("tcp", "ipv4", state, "inbound", port, port)


def see(counts: dict[SocketKey, int], now: float, settings: Settings = SETTINGS) -> Pass:
    """Return a pass that counted so many sockets."""
    return pass_over(PROCFS, counts, now, settings=settings)


PASSES = st.lists(
    st.tuples(
        st.floats(0, 30),
        st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)),
    ),
    max_size=40,
)


@given(PASSES)
def test_peak_is_of_the_window(passes: list[tuple[float, dict[str, int]]]) -> None:
    """Nothing of the window is missed, and nothing is older than a twelfth more; a zero is one of now."""
    peaks, now = Peaks(), 0.0
    history: list[tuple[float, str, int]] = []
    for pause, counts in passes:
        now += pause
        history += [(now, port, count) for port, count in counts.items()]
        found = peaks.measure(see({key("time_wait", port): n for port, n in counts.items()}, now))
        for port in "abc":
            within = [n for at, of, n in history if of == port and now - at < WINDOW_SECONDS]
            about = [n for at, of, n in history if of == port and now - at <= LONGEST_SECONDS + 0.001]
            peak = found["sockets_peak"].get(key("time_wait", port), 0)
            assert max(within, default=0) <= peak <= max(about, default=0)
            assert peak in {0, *about}
            assert peak or (key("time_wait", port) in found["sockets_peak"]) == (port in counts)


def test_only_states_that_are_wanted() -> None:
    counts = {key("time_wait"): 1, key("established"): 2}
    assert list(Peaks().measure(see(counts, 0.0))["sockets_peak"]) == [key("time_wait")]


def test_no_states_switch_it_off() -> None:
    assert Peaks().measure(see({key("time_wait"): 1}, 0.0, replace(SETTINGS, peak_states=()))) == {}


@pytest.mark.parametrize(
    "settings",
    [replace(SETTINGS, peak_states=("time_wait",)), replace(SETTINGS, peak_window_seconds=61.0)],
)
def test_other_settings_begin_anew(settings: Settings) -> None:
    peaks = Peaks()
    peaks.measure(see({key("time_wait"): 9}, 0.0))
    found = peaks.measure(see({key("time_wait"): 1}, 1.0, settings))
    assert found == {"sockets_peak": {key("time_wait"): 1}}


def test_memory_does_not_grow_with_the_passes() -> None:
    """There is a bucket for each twelfth of the window, and the one that is under way."""
    peaks = Peaks()
    for number in range(1000):
        peaks.measure(see({key("time_wait", str(number % 100)): 1}, number / 10))
    counted = peaks.measure(see({}, 100.0))["sockets_peak"]
    assert len(counted) == 100
    peaks.measure(see({}, 100.0 + LONGEST_SECONDS))
    assert peaks.measure(see({}, 100.0 + LONGEST_SECONDS))["sockets_peak"] == {}


def test_two_servers_see_the_same() -> None:
    """A peak belongs to the snapshot: reading it takes nothing away."""
    sampler = Sampler(PROCFS, SETTINGS)
    first, second = sampler.take_snapshot().measures, sampler.take_snapshot().measures
    assert first["sockets_peak"] == second["sockets_peak"]
    assert any(first["sockets_peak"].values())
