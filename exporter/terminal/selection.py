"""Select of a status what was asked for."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from exporter.status.model import Leak, Place, Service, Status

_EVERY_PLACE = ("problems", "leaks", "resources", "losses", "silences", "services")

P = TypeVar("P", bound=Place)


def select_port(status: Status, port: str) -> Status:
    """Return what of a status is about one port, which is given by its number or its name."""

    def keep(rows: Sequence[P]) -> tuple[P, ...]:
        return tuple(row for row in rows if port in (row.port, row.port_name))

    return _replace(status, {name: keep(getattr(status, name)) for name in _EVERY_PLACE})


def select_services(status: Status, is_wanted: Callable[[Service], bool]) -> Status:
    """Return a status with these services only."""
    return _replace(status, {"services": tuple(each for each in status.services if is_wanted(each))})


def is_listening(service: Service) -> bool:
    """Return whether a service has a socket that waits for others: a listener, or one without a peer."""
    waiting = service.states.get("listen", 0) + (service.states.get("unconnected", 0))
    return bool(service.exposure or waiting)


def order_by_state(services: Sequence[Service], state: str) -> list[Service]:
    """Return the services, that with the most sockets in a state first."""
    return sorted(services, key=lambda service: -service.states.get(state, 0))


def find_host_leaks(status: Status) -> tuple[Leak, ...]:
    """Return the leaks in the host's own network namespace, at a port of their own."""
    return tuple(leak for leak in status.leaks if not leak.netns and leak.port.isdecimal())


def _replace(status: Status, rows: Mapping[str, Sequence[Place]]) -> Status:
    """Return a status with other rows, and totals that are true of them where they were of the whole list."""
    changed: dict[str, object] = dict(rows)
    for name, kept in rows.items():
        if hasattr(status, f"{name}_total"):
            changed[f"{name}_total"] = len(kept)
    made: Status = dataclasses.replace(status, **changed)  # type: ignore[arg-type]  # names are those of the model
    return made
