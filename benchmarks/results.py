"""What was measured."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from types import MappingProxyType
from typing import Final, NamedTuple

IDLE: Final = "idle"
TCP: Final = "tcp"
UDP: Final = "udp"
PORTS: Final = "ports"
LISTENERS: Final = "listeners"
OPEN_FILES: Final = "open_files"
"""The collectors that are measured by themselves."""
CLOSE_EVENTS: Final = "close_events"
STATUS: Final = "status"

SHARES: Final = (0.0, 0.05, 0.25)
"""The shares of TCP's sockets that are in CLOSE_WAIT."""

USUAL_SHARE: Final = SHARES[1]


class Cost(NamedTuple):
    """What one contender spends on listing the sockets once; ``remark`` says why it has no part."""

    source: str
    cpu_ms: Sequence[float]
    peak_mb: float
    remark: str

    @property
    def median_ms(self) -> float:
        """The CPU time of the middle one of the samples."""
        return median(self.cpu_ms)


class Answers(NamedTuple):
    """How the daemon answered requests while passes ran: milliseconds each, and its memory then."""

    milliseconds: Sequence[float]
    resident_mb: float


class Start(NamedTuple):
    """How a daemon began: seconds to its first snapshot, and the interval in force after its second."""

    first_snapshot_seconds: float
    interval_seconds: float


class Stage(NamedTuple):
    """All that was measured with one number of sockets; ``found`` is what the kernel said was there.

    ``share`` of them was in CLOSE_WAIT; ``ports`` is how many remote ports they had, 0 where that is not
    what matters. ``parts`` are what single parts of our pass cost by themselves.
    """

    kind: str
    size: int
    found: str
    costs: Mapping[str, Cost]
    share: float = USUAL_SHARE
    ports: int = 0
    answers: Answers | None = None
    start: Start | None = None
    parts: Mapping[str, Cost] = MappingProxyType({})

    def ratio(self, name: str, other: str) -> float | None:
        """Return how many times another's CPU time a contender takes; None where one was not measured.

        It is the median of the rounds, as within one a noisy machine is the same for both.
        """
        costs = [self.costs.get(each) for each in (name, other)]
        samples = [cost.cpu_ms if cost else () for cost in costs]
        ratios = [first / second for first, second in zip(*samples, strict=False) if second]
        return median(ratios) if ratios else None

    def differences_ms(self, name: str, other: str) -> Sequence[float]:
        """Return how much more CPU time a contender took than another, round by round, the least first."""
        costs = [self.costs.get(each) for each in (name, other)]
        samples = [cost.cpu_ms if cost else () for cost in costs]
        return sorted(first - second for first, second in zip(*samples, strict=False))

    def median_ms(self, name: str) -> float | None:
        """Return the CPU time of a contender; None where it was not measured."""
        cost = self.costs.get(name)
        return cost.median_ms if cost and cost.cpu_ms else None


def find_stage(
    stages: Iterable[Stage], kind: str, size: int, *, share: float = USUAL_SHARE, ports: int = 0
) -> Stage | None:
    """Return the stage of a kind with so many sockets; None where there is none."""
    wanted = (kind, size, share, ports)
    return next(
        (stage for stage in stages if (stage.kind, stage.size, stage.share, stage.ports) == wanted), None
    )


def growing(stages: Iterable[Stage]) -> Sequence[Stage]:
    """Return the stages in which TCP's sockets became more and more."""
    return [stage for stage in stages if stage.kind == TCP and stage.share == USUAL_SHARE]
