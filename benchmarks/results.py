"""What was measured, and whether it is what we want."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Final, NamedTuple

from benchmarks.contenders import (
    BARE,
    COUNTS,
    EVERYTHING,
    NETLINK,
    NODE_EXPORTER,
    NONE_WATCHED,
    PROCFS,
    SS_TCP,
    name_of_pass,
)
from benchmarks.measure import percentile

FOLLOWED_SHARE: Final = 0.1
"""The share of the sockets that is in a watched state where the cost of the capabilities is measured."""

_LARGE: Final = 100_000
_LARGEST: Final = 1_000_000
_SOCKETS: Final = {"capabilities": "tcp, a tenth in CLOSE_WAIT"}


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


class Stage(NamedTuple):
    """All that was measured with one number of sockets; ``found`` is what the kernel said was there."""

    protocol: str
    size: int
    found: str
    costs: Mapping[str, Cost]
    answers: Answers | None = None

    def ratio(self, name: str, other: str) -> float | None:
        """Return how many times another's CPU time a contender takes; None where one was not measured.

        It is the median of the rounds, as within one a noisy machine is the same for both.
        """
        costs = [self.costs.get(each) for each in (name, other)]
        samples = [cost.cpu_ms if cost else () for cost in costs]
        ratios = [first / second for first, second in zip(*samples, strict=False) if second]
        return median(ratios) if ratios else None

    @property
    def megabytes_of_followed(self) -> float:
        """The memory that it takes to follow sockets one by one, with all that this is needed for."""
        return self.costs[EVERYTHING].peak_mb - self.costs[NONE_WATCHED].peak_mb


class Target(NamedTuple):
    """Something we promise: the most that a number may be, and what it is, None where it was not measured."""

    text: str
    limit: float
    unit: str
    value: float | None

    @property
    def verdict(self) -> str:
        """Whether it is reached."""
        if self.value is None:
            return "not measured"
        return "reached" if self.value <= self.limit else "not reached"


def bytes_per_followed(stages: Sequence[Stage]) -> float | None:
    """Return what each followed socket takes, by the growth between two numbers of them; None without two."""
    found = [stage for stage in stages if stage.protocol == "capabilities"]
    if len({stage.size for stage in found}) < 2:  # noqa: PLR2004
        return None
    few, many = found[0], found[-1]
    followed = (many.size - few.size) * FOLLOWED_SHARE
    return (many.megabytes_of_followed - few.megabytes_of_followed) * 1e6 / followed


def targets(stages: Sequence[Stage]) -> Iterator[Target]:
    """Yield the targets and how near they are."""
    found = {(stage.protocol, stage.size): stage for stage in stages}
    procfs, netlink = name_of_pass(PROCFS), name_of_pass(NETLINK)
    for protocol, size, name, other, limit in (
        ("tcp", _LARGE, procfs, BARE[PROCFS], 1.5),
        ("tcp", _LARGE, netlink, BARE[NETLINK], 1.5),
        ("tcp", _LARGE, netlink, NODE_EXPORTER, 0.6),
        ("tcp", _LARGE, netlink, SS_TCP, 0.5),
        ("tcp", _LARGEST, netlink, BARE[NETLINK], 1.5),
        ("udp", _LARGE, netlink, BARE[NETLINK], 2.0),
        ("capabilities", _LARGE, EVERYTHING, COUNTS, 1.6),
        ("capabilities", _LARGE, NONE_WATCHED, COUNTS, 1.05),
    ):
        stage = found.get((protocol, size))
        text = f"{name}, over {other}, {size:,} {_SOCKETS.get(protocol, protocol)}"
        yield Target(text, limit, "x", stage.ratio(name, other) if stage else None)
    yield Target("memory per socket that is followed", 300, "bytes", bytes_per_followed(stages))
    daemons = {stage.size: stage.answers for stage in stages if stage.answers}
    smallest = daemons[min(daemons)].resident_mb if daemons else 0.0
    for size, limit_mb in ((_LARGE, 10), (_LARGEST, 20)):
        grown = daemons[size].resident_mb - smallest if size in daemons else None
        yield Target(f"growth of the daemon up to {size:,} sockets, none followed", limit_mb, "MB", grown)
    most_mb = max((answers.resident_mb for answers in daemons.values()), default=None)
    yield Target("resident memory of the daemon", 60, "MB", most_mb)
    slowest = max((percentile(answers.milliseconds, 0.99) for answers in daemons.values()), default=None)
    yield Target("99 of 100 answers to GET /metrics", 50, "ms", slowest)
    for stage in stages:
        if stage.protocol == "idle":
            for name in sorted({procfs, netlink} & stage.costs.keys()):
                text = f"{name}, {stage.size:,} sockets, all default tables"
                yield Target(text, 5, "ms", stage.costs[name].median_ms)
