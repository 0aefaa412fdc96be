"""What the operator wants of the sampling."""

from dataclasses import dataclass

from exporter.sampling.services import PortNames


@dataclass(frozen=True, slots=True)
class Settings:
    """What to watch, by which source, how often, and at what cost.

    ``interval_seconds`` is the pause between passes, stretched so that passes use at most ``cpu_budget`` of
    one core. A table that takes longer than ``timeout_seconds`` is given up for that pass. ``room`` and
    ``drops``, and ``peak_states`` when there are none, switch capabilities off. Sockets in one of
    ``stuck_states`` are watched one by one, but ages are those of at most ``stuck_limit``.
    """

    tables: tuple[str, ...]
    source: str
    interval_seconds: float
    cpu_budget: float
    timeout_seconds: float
    names: PortNames
    always: frozenset[int]
    ports_limit: int
    room: bool
    drops: bool
    peak_states: tuple[str, ...]
    peak_window_seconds: float
    stuck_states: tuple[str, ...]
    stuck_after_seconds: float
    stuck_limit: int
    owners_by: str
    owners_limit: int
