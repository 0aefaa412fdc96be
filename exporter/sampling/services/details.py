"""Remember a detail of TCP's sockets that is read now and then only, and what went wrong with it."""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from exporter.config.settings import Settings
from exporter.kernel.netlink import Reason, SockDiagError
from exporter.kernel.tables import Detail
from exporter.sampling.reading.walk import READ_ERRORS
from exporter.sampling.services.spacing import Spacing

Found = TypeVar("Found")


class Priced(NamedTuple, Generic[Found]):
    """What was found, and the CPU seconds that it cost."""

    found: Found
    cpu_seconds: float


class SpacedDetail(Generic[Found]):
    """What was last found; ``due`` is the detail in a pass that reads it, else Detail.NONE."""

    def __init__(self, detail: Detail) -> None:
        self.due = Detail.NONE
        self._detail = detail
        self._spacing = Spacing()
        self._found: Found | None = None
        self._error: Exception | None = None

    def plan(self, settings: Settings, now: float, *, at_once: bool = False) -> None:
        """Decide whether this pass reads the detail; ``now`` is on the monotonic clock."""
        is_due = self._spacing.is_due(settings, now)
        self.due = self._detail if is_due or at_once else Detail.NONE

    def find(
        self, settings: Settings, every_seconds: float, now: float, read: Callable[[], Priced[Found]]
    ) -> Found | None:
        """Return what was last found, None if nothing was yet or netlink is not available.

        ``read`` is called if it is due. An error of the kernel is raised until it is due again.
        """
        if self.due:
            self.forget()
            cpu_seconds = 0.0
            try:
                self._found, cpu_seconds = read()
            except READ_ERRORS as error:
                if not isinstance(error, SockDiagError) or error.reason is not Reason.UNAVAILABLE:
                    self._error = error
            self._spacing.note(settings, every_seconds, now, cpu_seconds)
        if self._error is not None:
            raise self._error
        return self._found

    def forget(self) -> None:
        """Forget what was found."""
        self.due = Detail.NONE
        self._found = self._error = None
