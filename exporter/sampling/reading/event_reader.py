"""Read the kernel's close events on a thread of its own, within a share of a core.

The thread sleeps until there are events. While it costs more than its share, it lets the kernel drop some of
the events to come, at random: one in two is left, one in four, and so on. Each event that is left then stands
for as many. It reads all of them again when that has cost little for a while.
"""

import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Final

from exporter.kernel.close_events import CloseEvents
from exporter.kernel.netlink import Block

BURST_SECONDS: Final = 10.0
"""A burst may cost as much at once as the share is in this time."""

CALM_SECONDS: Final = 30.0
"""After so long without a debt, twice as many events are read."""

MOST_LEFT_OUT: Final = 1 << 16
"""At least one in so many events is read."""

_WAIT_SECONDS: Final = 0.5  # a stopped thread ends within this time
_GATHER_SECONDS: Final = 0.05  # to wake up for each event would cost more than to read it
_FEW: Final = 16
_MOST_READS: Final = 64  # then the budget is looked at, even if there are more


class EventBudget:
    """Decides that one in so many events is read; times are seconds on the monotonic clock."""

    def __init__(self, share: float, now: float) -> None:
        self.share = share
        self.one_in = 1
        self._debt_seconds = 0.0
        self._spent_at = self._indebted_at = now

    def spend(self, cpu_seconds: float, now: float) -> int:
        """Note what was spent since the last call, and return one in how many events is to be read."""
        repaid_seconds = self.share * (now - self._spent_at)
        self._spent_at = now
        self._debt_seconds += cpu_seconds - repaid_seconds
        if self._debt_seconds > 0:
            self._indebted_at = now
        self._debt_seconds = max(self._debt_seconds, 0.0)
        most_seconds = self.share * BURST_SECONDS
        if self._debt_seconds > most_seconds and self.one_in < MOST_LEFT_OUT:
            self.one_in *= 2
            self._debt_seconds = most_seconds / 2
        elif now - self._indebted_at >= CALM_SECONDS and self.one_in > 1:
            self.one_in //= 2
            self._indebted_at = now
        return self.one_in


class EventReader:
    """Passes events to ``handle``, with the number that each of them stands for, which is ``one_in``.

    ``lost`` is how many were not read in time, as far as known, and ``cpu_seconds`` what it cost.
    """

    def __init__(self, handle: Callable[[Block, int], None]) -> None:
        self.one_in = 1
        self.lost = 0
        self.cpu_seconds = 0.0
        self._handle = handle
        self._budget = EventBudget(1.0, time.monotonic())
        self._stopped = Event()
        self._thread: Thread | None = None
        self._error: Exception | None = None

    @property
    def is_reading(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, events: CloseEvents, share: float) -> None:
        """Read the events of a subscription, which is closed in the end; raises RuntimeError.

        ``share`` is that of a core.
        """
        self.one_in = 1
        self._budget = EventBudget(share, time.monotonic())
        thread = Thread(target=self._run, args=(events,), name="close-events", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            events.close()
            raise
        self._thread = thread

    def change_share(self, share: float) -> None:
        """Use another share of a core from now on."""
        self._budget.share = share

    def take_error(self) -> Exception | None:
        """Return, once, what ended the thread."""
        error, self._error = self._error, None
        return error

    def stop(self) -> None:
        """Let the thread end, which closes the subscription; it cannot be started again."""
        self._stopped.set()

    def _run(self, events: CloseEvents) -> None:
        try:
            with events:
                self._read_until_stopped(events)
        except Exception as error:  # noqa: BLE001 - it is the failure of the collector
            self._error = error

    def _read_until_stopped(self, events: CloseEvents) -> None:
        spent, lost = time.thread_time(), 0
        while not self._stopped.is_set():
            number = self._read_waiting(events) if events.wait(_WAIT_SECONDS) else 0
            lost_before, lost = lost, events.count_lost()
            spent_before, spent = spent, time.thread_time()
            self.lost += (lost - lost_before) * self.one_in
            self.cpu_seconds += spent - spent_before
            one_in = self._budget.spend(spent - spent_before, time.monotonic())
            if one_in != self.one_in:
                events.sample(one_in)
                self._read_waiting(events)  # nearly all of these came before the new filter
                self.one_in = one_in
            if number:  # let more come; shorter the more there were, or the buffer is full
                self._stopped.wait(_GATHER_SECONDS * _FEW / max(number, _FEW))

    def _read_waiting(self, events: CloseEvents) -> int:
        """Read the events that have come, and return their number."""
        number = 0
        for _ in range(_MOST_READS):
            blocks = events.read()
            if not blocks or self._stopped.is_set():
                break
            for block in blocks:
                self._handle(block, self.one_in)
                number += len(block.data) // block.length
        return number
