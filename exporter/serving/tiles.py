"""Choose the numbers that stand above everything else on the status page."""

from collections.abc import Iterator
from typing import NamedTuple

from exporter.status.model import Leak, Resource, Status
from exporter.status.names import name_owner, name_port
from exporter.status.quantities import say_bytes, say_count, say_duration, say_rate, say_share
from exporter.status.severity import OK

_RESOURCES = {
    "ephemeral_ports": "Ephemeral ports, busiest destination",
    "accept_queue": "Fullest accept queue",
    "open_files": "Open files, nearest to the limit",
    "time_wait": "TIME_WAIT table",
    "tcp_memory": "TCP memory",
}
_LOSSES = {"udp_drops": "UDP drops", "listen_overflows": "Accept queue overflows"}


class Tile(NamedTuple):
    """A number with its name, and what it is about."""

    name: str
    number: str
    about: str
    severity: str


def list_tiles(status: Status) -> Iterator[Tile]:
    """Yield the tiles; of what was not measured there is none."""
    stuck = [leak.stuck for leak in status.leaks if leak.stuck is not None]
    worst_leak = status.leaks[0] if status.leaks else None
    severity = worst_leak.severity if worst_leak else OK
    if stuck or not worst_leak:
        yield Tile("Stuck in CLOSE_WAIT", say_count(sum(stuck)), _describe_leak(worst_leak), severity)
    for kind, name in _RESOURCES.items():
        fullest = next((each for each in status.resources if each.kind == kind), None)
        if fullest:
            yield Tile(name, say_share(fullest.ratio), _describe_usage(fullest), fullest.severity)
    for kind, name in _LOSSES.items():
        worst = next((each for each in status.losses if each.kind == kind), None)
        if worst and worst.per_second:
            about = f"{name_port(worst)} {worst.netns}".strip()
            yield Tile(name, say_rate(worst.per_second), about, worst.severity)


def _describe_leak(leak: Leak | None) -> str:
    if leak is None:
        return "no socket is in CLOSE_WAIT"
    age = "" if leak.oldest_seconds is None else f", oldest {say_duration(leak.oldest_seconds)}"
    return f"{name_owner(leak)}, {leak.direction} {name_port(leak)}{age}"


def _describe_usage(resource: Resource) -> str:
    if resource.unit == "bytes":
        amount = f"{say_bytes(resource.used)} of {say_bytes(resource.limit)}"
    else:
        amount = f"{say_count(resource.used)} of {say_count(resource.limit)}"
    subject = resource.owner or name_port(resource) or resource.netns
    return f"{subject}: {amount}" if subject else amount
