"""Events are read within their budget, stand for those that were left out, and are counted when lost."""

from collections import deque
from itertools import count
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import close_events
from exporter.kernel.close_events import CloseEvents
from exporter.kernel.netlink import Block, Reason, SockDiagError
from exporter.sampling.reading.event_reader import (
    BURST_SECONDS,
    CALM_SECONDS,
    MOST_LEFT_OUT,
    EventBudget,
    EventReader,
)
from tests.support.patience import wait_until

SHARE = 0.02
BURST = SHARE * BURST_SECONDS
EVENT = Block(bytes(380), 380)


def test_burst_is_read_whole() -> None:
    """As long as it costs no more than the share of some seconds."""
    budget = EventBudget(SHARE, now=0)
    assert [1, 1] == [budget.spend(BURST, now=0), budget.spend(SHARE, now=1)]
    assert 2 == budget.spend(0.001, now=1)


def test_half_is_left_out_again_and_again() -> None:
    """Until what is left is cheap enough; there is an end to it."""
    budget = EventBudget(SHARE, now=0)
    assert [1, 2, 4, 8] == [budget.spend(BURST, now=0) for _ in range(4)]
    for now in range(1, 200):
        budget.spend(1.0, now)
    assert budget.one_in == MOST_LEFT_OUT


def test_all_are_read_again_when_it_has_been_calm() -> None:
    """Step by step, and not while a debt is left."""
    budget = EventBudget(SHARE, now=0)
    while budget.spend(BURST, now=0) < 4:
        pass
    debt_seconds = 2 * BURST_SECONDS
    found = [budget.spend(0, now) for now in range(1, int(debt_seconds + 2 * CALM_SECONDS) + 2)]
    assert sorted(found, reverse=True) == found
    assert {4, 2, 1} == set(found)
    assert found.count(4) >= CALM_SECONDS


@given(st.lists(st.floats(0, 0.5), min_size=20, max_size=300))
def test_cost_follows_what_is_left(loads: list[float]) -> None:
    """When all would cost more, half of the events costs half as much: the share is kept but for bursts."""
    budget = EventBudget(SHARE, now=0)
    spent = 0.0
    for now, load in enumerate(loads, start=1):
        cost = load / budget.one_in
        spent += cost
        budget.spend(cost, now)
    steps = 12  # halvings, each of which half a burst may precede, and one load too many
    assert spent <= SHARE * len(loads) + BURST * (1 + steps / 2 * (1 + len(loads) / CALM_SECONDS)) + 0.5


class Script(CloseEvents):
    """Stands for the kernel: returns lists of blocks, and each time has lost some more."""

    def __init__(self, *said: "list[Block] | Exception", lost: int = 0) -> None:
        self.said = deque(said)
        self.sampled: list[int] = []
        self.closed = Event()
        self._lost = count(lost, lost)

    def wait(self, seconds: float) -> bool:
        """Tell whether there is something to read; when all is read, wait a moment."""
        return bool(self.said) or self.closed.wait(min(seconds, 0.005))

    def read(self) -> list[Block]:
        """Return what comes next."""
        said = self.said.popleft() if self.said else []
        if isinstance(said, Exception):
            raise said
        return said

    def count_lost(self) -> int:
        """Return how many are lost by now."""
        return next(self._lost)

    def sample(self, one_in: int) -> None:
        """Remember what was asked for."""
        self.sampled.append(one_in)

    def close(self) -> None:
        """Note that it is over."""
        self.closed.set()


def test_events_are_handled_and_the_thread_ends_when_it_is_stopped() -> None:
    handled: list[tuple[Block, int]] = []
    script = Script([EVENT, EVENT], [], [EVENT])
    reader = EventReader(lambda block, weight: handled.append((block, weight)))
    reader.start(script, SHARE)
    wait_until(lambda: len(handled) == 3)
    assert [(EVENT, 1)] * 3 == handled
    assert reader.is_reading
    reader.stop()
    wait_until(lambda: not reader.is_reading)
    assert script.closed.is_set()
    assert reader.take_error() is None
    assert reader.cpu_seconds > 0


@pytest.mark.parametrize("error", [SockDiagError(Reason.TRANSIENT, "broken"), ZeroDivisionError("a bug")])
def test_error_ends_the_thread_and_is_told_once(error: Exception) -> None:
    """Whether reading fails, or what handles the events."""
    script = Script(error)
    reader = EventReader(lambda *_: None)
    reader.start(script, SHARE)
    wait_until(lambda: not reader.is_reading)
    assert script.closed.is_set()
    assert [error, None] == [reader.take_error(), reader.take_error()]


def test_events_stand_for_those_that_were_left_out() -> None:
    """What waited when sampling began was not sampled; what is lost later stands for others, too."""
    handled: list[int] = []
    script = Script(lost=10)
    reader = EventReader(lambda _, weight: handled.append(weight))
    reader.start(script, 1e-9)  # every bit of work is too much
    wait_until(lambda: len(script.sampled) >= 3)
    script.said.extend([[EVENT], [], [EVENT]])
    wait_until(lambda: len(handled) == 2)
    assert [2, 4, 8] == script.sampled[:3]
    assert all(weight >= 8 for weight in handled)
    assert reader.lost > 8 * 10
    reader.stop()
    wait_until(lambda: not reader.is_reading)


def test_what_waits_when_sampling_begins_stands_for_as_many_as_before() -> None:
    """They passed the filter that was there before, and have its weight."""
    handled: list[int] = []

    class Waiting(Script):
        """An event comes just before each filter."""

        def sample(self, one_in: int) -> None:
            self.said.append([EVENT])
            super().sample(one_in)

    script = Waiting()
    reader = EventReader(lambda _, weight: handled.append(weight))
    reader.start(script, 1e-9)  # every bit of work is too much
    wait_until(lambda: len(handled) >= 3)
    assert [1, 2, 4] == handled[:3]
    assert [2, 4, 8] == script.sampled[:3]
    reader.stop()
    wait_until(lambda: not reader.is_reading)


def test_share_may_change() -> None:
    """With more to spend nothing is left out any more."""
    script = Script()
    reader = EventReader(lambda *_: None)
    reader.start(script, 1e-9)
    wait_until(lambda: reader.one_in > 1)
    reader.change_share(1.0)
    script.said.append([])  # when it is read, the change has been seen
    wait_until(lambda: not script.said)
    settled = reader.one_in
    script.said.extend([[EVENT]] * 1000)
    wait_until(lambda: not script.said)
    assert settled == reader.one_in
    reader.stop()
    wait_until(lambda: not reader.is_reading)


def test_kernel_without_the_numbers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what is missing, and which kernel has it."""
    monkeypatch.setattr(close_events, "CLOSED_INFO_BYTES", 1000)
    with pytest.raises(SockDiagError, match=r"lacks tcpi_bytes_sent; Linux 4\.19 has it"):
        CloseEvents()
