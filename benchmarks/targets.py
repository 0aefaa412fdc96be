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
    NOT_MEASURED,
    OPEN_FILES,
    PORTS,
    SHARES,
    STATUS,
    TCP,
    UDP,
    USUAL_SHARE,
    Figure,
    Stage,
    find_stage,
    growing,
    summarize,
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
    """Something we promise: the most that a number may be, and what it is."""

    text: str
    limit: float
    unit: str
    figure: Figure

    @property
    def verdict(self) -> str:
        """Whether it is reached."""
        value, median_value = self.figure
        if value is None:
            return "not measured"
        if value > self.limit:
            return "not reached"
        return "reached" if median_value is None or median_value <= self.limit else "by the least"


def targets(stages: Sequence[Stage]) -> Iterator[Target]:
    """Yield the targets and how near they are."""
    for kind, size, share, name, other, limit in _RATIOS:
        stage = find_stage(stages, kind, size, share=share)
        where = f"{size:,} {kind}" + (f", {share:.0%} in CLOSE_WAIT" if kind == TCP else "")
        ratio = stage.ratio(name, other) if stage else NOT_MEASURED
        yield Target(f"{name}, over {other}, {where}", limit, "x", ratio)
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
    where = f"{LARGE:,} {TCP}"
    yield Target(f"{UNANSWERED}, {where}", 1, "ms", summarize(observer.cpu_ms if observer else ()))
    added_ms = stage.added_ms(QUESTIONS, COUNTS) if stage else NOT_MEASURED
    yield Target(f"idle connections and memory, once a minute, {where}", 60, "ms", added_ms)


def _ratio_of_ports(stages: Sequence[Stage]) -> Figure:
    """Return how many times as much a pass costs with the most remote ports as with the fewest."""
    costs = {stage.ports: stage.samples_ms(SHIPPED) for stage in stages if stage.kind == PORTS}
    few, many = (costs[min(costs)], costs[max(costs)]) if costs else ((), ())
    return Figure(min(many) / min(few), median(many) / median(few)) if few and many else NOT_MEASURED


def _collector_targets(stages: Sequence[Stage]) -> Iterator[Target]:
    """Yield what collectors add to a pass.

    Open files are spread over passes, of which some have nothing to look at: the 80th percentile of the
    rounds counts, not the maximum, which may be the first.
    """
    found = {stage.kind: stage for stage in stages}
    listeners, open_files = found.get(LISTENERS), found.get(OPEN_FILES)
    text = f", {listeners.size:,} listeners" if listeners else ""
    added_ms = listeners.added_ms(WITH, WITHOUT) if listeners else NOT_MEASURED
    yield Target(f"the collector {LISTENERS}{text}", 1, "ms", added_ms)
    text = f", {open_files.size:,} processes" if open_files else ""
    differences_ms = open_files.differences_ms(WITH, WITHOUT) if open_files else ()
    added_ms = Figure(percentile(differences_ms, 0.8)) if differences_ms else NOT_MEASURED
    yield Target(f"the collector {OPEN_FILES}{text}", 5, "ms", added_ms)


def _idle_targets(stages: Sequence[Stage]) -> Iterator[Target]:
    idle = next((stage for stage in stages if stage.kind == IDLE), None)
    size = f"{idle.size:,} sockets, all default tables" if idle else "idle"
    yield Target(f"{SHIPPED}, {size}", 4, "ms", idle.cost_ms(SHIPPED) if idle else NOT_MEASURED)
    resident_mb = idle.answers.resident_mb if idle and idle.answers else None
    yield Target(f"resident memory of the daemon, {size}", 40, "MB", Figure(resident_mb))


def _status_targets(stages: Sequence[Stage]) -> Iterator[Target]:
    stage = next((stage for stage in stages if stage.kind == STATUS), None)
    made_ms = stage.cost_ms(STATUS_PAGE) if stage else NOT_MEASURED
    yield Target(f"{STATUS_PAGE}, {SIZE_OF_CROWD}", 30, "ms", made_ms)
    resident_mb = stage.answers.resident_mb if stage and stage.answers else None
    text = "resident memory of the daemon, everything on, after a view of the status page"
    yield Target(text, 45, "MB", Figure(resident_mb))


def _daemon_targets(stages: Sequence[Stage]) -> Iterator[Target]:
    yield Target("memory of a tracked socket", 100, "bytes", Figure(bytes_per_tracked(stages)))
    answers = {stage.size: stage.answers for stage in stages if stage.answers}
    smallest = answers[min(answers)].resident_mb if answers else 0.0
    for size, limit_mb in ((LARGE, 10), (LARGEST, 20)):
        grown = Figure(answers[size].resident_mb - smallest) if size in answers else NOT_MEASURED
        yield Target(f"growth of the daemon up to {size:,} sockets, none tracked", limit_mb, "MB", grown)
    slowest = max((percentile(each.milliseconds, 0.99) for each in answers.values()), default=None)
    yield Target("99 of 100 answers to GET /metrics", 50, "ms", Figure(slowest))
    largest = find_stage(stages, TCP, LARGEST)
    start = largest.start if largest else None
    first, interval = map(Figure, start) if start else (NOT_MEASURED, NOT_MEASURED)
    text = f"{LARGEST:,} sockets, {USUAL_SHARE:.0%} in CLOSE_WAIT"
    yield Target(f"first snapshot, {text}", 4, "s", first)
    yield Target(f"interval in force then, {text}", 30, "s", interval)
