"""What we promise, and whether it is kept."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final, NamedTuple

from benchmarks.contenders import (
    BARE_DUMP,
    BARE_DUMPS,
    BARE_READ,
    COUNTS,
    COUNTS_PROCFS,
    NODE_EXPORTER,
    QUESTIONS,
    SHIPPED,
    SHIPPED_PROCFS,
    SHIPPED_UNTRACKED,
    SS,
    STATUS_PAGE,
    UNANSWERED,
    WITH,
    WITHOUT,
)
from benchmarks.measure import percentile
from benchmarks.results import (
    IDLE,
    LISTENERS,
    OPEN_FILES,
    PORTS,
    SHARES,
    STATUS,
    TCP,
    UDP,
    USUAL_SHARE,
    Stage,
    find_stage,
    growing,
)
from tests.support.status.crowd import SIZE_OF_CROWD

LARGE: Final = 100_000
LARGEST: Final = 1_000_000

_RATIOS: Final = (
    (TCP, LARGE, USUAL_SHARE, SHIPPED, BARE_DUMP, 1.9),
    (TCP, LARGE, USUAL_SHARE, SHIPPED_PROCFS, BARE_READ, 1.6),
    (TCP, LARGE, USUAL_SHARE, SHIPPED, NODE_EXPORTER, 0.8),
    (TCP, LARGE, USUAL_SHARE, SHIPPED, SS, 0.7),
    (TCP, LARGE, USUAL_SHARE, COUNTS, BARE_DUMPS, 1.3),
    (TCP, LARGE, USUAL_SHARE, COUNTS_PROCFS, BARE_READ, 1.5),
    (TCP, LARGE, USUAL_SHARE, COUNTS, NODE_EXPORTER, 0.6),
    (TCP, LARGE, USUAL_SHARE, COUNTS, SS, 0.5),
    (TCP, LARGE, SHARES[0], SHIPPED, COUNTS, 1.05),
    (TCP, LARGEST, USUAL_SHARE, COUNTS, BARE_DUMPS, 1.3),
    (UDP, LARGE, 0.0, COUNTS, BARE_DUMPS, 2.0),
)


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


def targets(stages: Sequence[Stage]) -> Iterator[Target]:
    """Yield the targets and how near they are."""
    for kind, size, share, name, other, limit in _RATIOS:
        stage = find_stage(stages, kind, size, share=share)
        where = f"{size:,} {kind}" + (f", {share:.0%} in CLOSE_WAIT" if kind == TCP else "")
        yield Target(
            f"{name}, over {other}, {where}", limit, "x", stage.ratio(name, other) if stage else None
        )
    yield Target("as shipped, most remote ports over fewest", 1.2, "x", _ratio_of_ports(stages))
    yield from _collector_targets(stages)
    yield from _question_targets(find_stage(stages, TCP, LARGE))
    yield from _idle_targets(stages)
    yield from _status_targets(stages)
    yield from _daemon_targets(growing(stages))


def bytes_per_tracked(stages: Sequence[Stage]) -> float | None:
    """Return what each tracked socket takes, by the growth between two numbers of them; None without two.

    What takes longer than the time limit has no memory.
    """
    pair = (SHIPPED, SHIPPED_UNTRACKED)
    found = [
        stage
        for stage in growing(stages)
        if all(name in stage.costs and stage.costs[name].peak_mb for name in pair)
    ]
    few, many = (found[0], found[-1]) if found else (None, None)
    if few is None or many is None or few.size == many.size:
        return None
    grown = [stage.costs[SHIPPED].peak_mb - stage.costs[SHIPPED_UNTRACKED].peak_mb for stage in (few, many)]
    return (grown[1] - grown[0]) * 1e6 / ((many.size - few.size) * USUAL_SHARE)


def _question_targets(stage: Stage | None) -> Iterator[Target]:
    """Yield what is found beside the counts: by what a pass costs more, or alone where that is too little."""
    observer = stage.parts.get(UNANSWERED) if stage else None
    differences = stage.differences_ms(QUESTIONS, COUNTS) if stage else ()
    where = f"{LARGE:,} {TCP}"
    yield Target(f"{UNANSWERED}, {where}", 1, "ms", observer.median_ms if observer else None)
    added_ms = median(differences) if differences else None
    yield Target(f"idle connections and memory, once a minute, {where}", 60, "ms", added_ms)


def _ratio_of_ports(stages: Sequence[Stage]) -> float | None:
    costs = {stage.ports: stage.median_ms(SHIPPED) for stage in stages if stage.kind == PORTS}
    few, many = (costs[min(costs)], costs[max(costs)]) if costs else (None, None)
    return many / few if many and few else None


def _collector_targets(stages: Sequence[Stage]) -> Iterator[Target]:
    """Yield what collectors add to a pass.

    Open files are spread over passes, of which some have nothing to look at: the 80th percentile of the
    rounds counts, not the maximum, which may be the first.
    """
    for kind, what, limit_ms, share in ((LISTENERS, "listeners", 1, 0.5), (OPEN_FILES, "processes", 5, 0.8)):
        stage = next((stage for stage in stages if stage.kind == kind), None)
        differences = stage.differences_ms(WITH, WITHOUT) if stage else ()
        added_ms = percentile(differences, share) if differences else None
        text = f"the collector {kind}, {stage.size:,} {what}" if stage else f"the collector {kind}"
        yield Target(text, limit_ms, "ms", added_ms)


def _idle_targets(stages: Sequence[Stage]) -> Iterator[Target]:
    idle = next((stage for stage in stages if stage.kind == IDLE), None)
    size = f"{idle.size:,} sockets, all default tables" if idle else "idle"
    yield Target(f"{SHIPPED}, {size}", 4, "ms", idle.median_ms(SHIPPED) if idle else None)
    resident_mb = idle.answers.resident_mb if idle and idle.answers else None
    yield Target(f"resident memory of the daemon, {size}", 40, "MB", resident_mb)


def _status_targets(stages: Sequence[Stage]) -> Iterator[Target]:
    stage = next((stage for stage in stages if stage.kind == STATUS), None)
    made_ms = stage.median_ms(STATUS_PAGE) if stage else None
    yield Target(f"{STATUS_PAGE}, {SIZE_OF_CROWD}", 30, "ms", made_ms)
    resident_mb = stage.answers.resident_mb if stage and stage.answers else None
    text = "resident memory of the daemon, everything on, after a view of the status page"
    yield Target(text, 45, "MB", resident_mb)


def _daemon_targets(stages: Sequence[Stage]) -> Iterator[Target]:
    yield Target("memory of a tracked socket", 100, "bytes", bytes_per_tracked(stages))
    answers = {stage.size: stage.answers for stage in stages if stage.answers}
    smallest = answers[min(answers)].resident_mb if answers else 0.0
    for size, limit_mb in ((LARGE, 10), (LARGEST, 20)):
        grown = answers[size].resident_mb - smallest if size in answers else None
        yield Target(f"growth of the daemon up to {size:,} sockets, none tracked", limit_mb, "MB", grown)
    slowest = max((percentile(each.milliseconds, 0.99) for each in answers.values()), default=None)
    yield Target("99 of 100 answers to GET /metrics", 50, "ms", slowest)
    largest = find_stage(stages, TCP, LARGEST)
    start = largest.start if largest else None
    text = f"{LARGEST:,} sockets, {USUAL_SHARE:.0%} in CLOSE_WAIT"
    yield Target(f"first snapshot, {text}", 4, "s", start.first_snapshot_seconds if start else None)
    yield Target(f"interval in force then, {text}", 30, "s", start.interval_seconds if start else None)
