"""Ask at intervals for what is too expensive for every pass."""

import math
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from exporter.config.settings import Settings
from exporter.kernel.netlink import Reason, SockDiagError
from exporter.sampling.reading.reader import KernelReader
from exporter.sampling.reading.walk import READ_ERRORS

Answer = TypeVar("Answer")

_SHARE_OF_BUDGET: Final = 0.25


def find_pause(settings: Settings, cpu_seconds: float) -> float:
    """Return the seconds between two measurements of a cost for them to take a quarter of the CPU budget."""
    return cpu_seconds / (settings.cpu_budget * _SHARE_OF_BUDGET)


class Cadence:
    """Spaces measurements so that they take at most a quarter of the CPU budget.

    The first is in the second pass, so that it does not delay the first snapshot. Times are on the monotonic
    clock.
    """

    def __init__(self) -> None:
        self._due: float | None = None

    def is_due(self, settings: Settings, now: float) -> bool:
        """Return whether to measure in this pass."""
        if self._due is None:
            self._due = now
            return math.isinf(settings.cpu_budget)  # then there is no second pass
        return now >= self._due

    def note(self, settings: Settings, every_seconds: float, now: float, cpu_seconds: float) -> None:
        """Remember what a measurement cost; the next is due after ``every_seconds``, or later."""
        self._due = now + max(every_seconds, find_pause(settings, cpu_seconds))


class RepeatedQuestion(Generic[Answer]):
    """A question about TCP's sockets over netlink, which is asked again now and then.

    ``name`` identifies it while it hangs.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._cadence = Cadence()
        self._answer: Answer | None = None
        self._error: Exception | None = None

    def answer(  # noqa: PLR0913 - what is asked, of whom, and when
        self,
        reader: KernelReader,
        settings: Settings,
        every_seconds: float,
        now: float,
        ask: Callable[[float], Answer],
        *,
        at_once: bool = False,
    ) -> Answer | None:
        """Return the newest answer, None if there is none yet or netlink is not available.

        ``ask`` gets the deadline on the monotonic clock. What goes wrong is raised until it is asked again.
        """
        if self._cadence.is_due(settings, now) or at_once:
            self.forget()
            started_cpu = reader.cpu_seconds
            try:
                self._answer = reader.ask(self._name, ask, settings.timeout_seconds)
            except READ_ERRORS as error:
                if not isinstance(error, SockDiagError) or error.reason is not Reason.UNAVAILABLE:
                    self._error = error
            self._cadence.note(settings, every_seconds, now, reader.cpu_seconds - started_cpu)
        if self._error is not None:
            raise self._error
        return self._answer

    def forget(self) -> None:
        """Forget the answer."""
        self._answer = self._error = None
