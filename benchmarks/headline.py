"""Put the pass as shipped beside all others, and say who is cheaper."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from benchmarks.contenders import PEERS, SHIPPED
from benchmarks.results import SHARES, TCP, USUAL_SHARE, Cost, Stage, find_stage
from benchmarks.tables import Row, write_number, write_table

HEADING: Final = "The pass as shipped: {:,} TCP sockets, by the share in CLOSE_WAIT"


def headline_lines(stages: Sequence[Stage], size: int) -> Iterator[str]:
    """Yield the table of all contenders, and who is cheaper than the pass as shipped."""
    yield f"\n## {HEADING.format(size)}\n"
    found = [find_stage(stages, TCP, size, share=share) for share in SHARES]
    usual = found[SHARES.index(USUAL_SHARE)]
    if usual is None:
        yield "Not measured."
        return
    yield from write_table(
        ("contender", "source", *(f"{share:.0%}, CPU ms" for share in SHARES), f"x {SHIPPED}", "peak MB"),
        (_row(name, cost, usual, found) for name, cost in usual.costs.items()),
    )
    yield f'\n"x {SHIPPED}" and memory are those with {USUAL_SHARE:.0%} in CLOSE_WAIT. {_name_cheaper(usual)}'


def _row(name: str, cost: Cost, usual: Stage, found: Iterable[Stage | None]) -> Row:
    times = (stage.median_ms(name) if stage else None for stage in found)
    shown = ("" if time is None else f"{time:,.1f}" for time in times)
    memory = f"{cost.peak_mb:.1f}" if cost.cpu_ms else cost.remark
    return name, cost.source, *shown, write_number(usual.ratio(name, SHIPPED), "x"), memory


def _name_cheaper(stage: Stage) -> str:
    """Say which peers take less than we do, of CPU and of memory."""
    ratios = {name: stage.ratio(name, SHIPPED) for name in PEERS}
    less_cpu = [f"{name} ({ratio:.2f} x)" for name, ratio in ratios.items() if ratio and ratio < 1]
    ours_mb = stage.costs[SHIPPED].peak_mb
    peaks_mb = {name: stage.costs[name].peak_mb for name in PEERS if ratios[name]}
    less_memory = [f"{name} ({peak_mb:.1f} MB)" for name, peak_mb in peaks_mb.items() if peak_mb < ours_mb]
    return (
        f"Of the peers, those that need less CPU than we do: {', '.join(less_cpu) or 'none'}; "
        f"less memory: {', '.join(less_memory) or 'none'}."
    )
