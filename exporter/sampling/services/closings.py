"""Add up the closed connections of each service, as the events come.

A thread adds, and the passes take. Between two passes a connection belongs to a service by what the last one
found: which ports listen, and which have series of their own. All other services are added up together, so
there are never more sums than series.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from threading import Lock
from typing import Final, NamedTuple

from exporter.kernel.inet_details import ABORTED, CONNECTION, MALFORMED, OUTCOMES, read_closed
from exporter.kernel.netlink import Block
from exporter.sampling.services.ports import Directions, fold


class Closings(NamedTuple):
    """How many connections were closed, and what went over them; see ``inet_details.Closed``."""

    connections: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    sent_segments: int = 0
    retransmitted_segments: int = 0


NONE: Final = Closings()

_SHOWN: Final = frozenset({CONNECTION, ABORTED})

Service = tuple[int, int]
"""Number of the address family, and service."""


class ClosingCounts:
    """Sums by service that never fall, as long as its port has series of its own; two threads may use it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._directions: Mapping[int, Directions] = {}
        self._own: AbstractSet[int] = frozenset()
        self._sums: dict[Service, list[int]] = {}
        self._events = Counter(dict.fromkeys(OUTCOMES, 0))

    def follow(self, directions: Mapping[int, Directions], own: AbstractSet[int]) -> None:
        """Decide about services by another pass: by its directions, by address family, and its own ports."""
        with self._lock:
            self._directions, self._own = directions, own
            self._sums = {
                (family, service): sums
                for (family, service), sums in self._sums.items()
                if family in directions and fold(service, own) == service
            }

    def add(self, block: Block, weight: int) -> None:
        """Add some events, each of which stands for ``weight``."""
        with self._lock:
            outcomes = []
            for outcome, family, local_port, remote_port, sent, received, segments, resent in read_closed(
                block
            ):
                outcomes.append(outcome)
                directions = self._directions.get(family)
                if directions is None or outcome not in _SHOWN:
                    continue
                service = fold(directions.find_service(local_port, remote_port), self._own)
                sums = self._sums.get((family, service))
                if sums is None:
                    sums = self._sums[family, service] = list(NONE)
                sums[0] += weight
                sums[1] += sent * weight
                sums[2] += received * weight
                sums[3] += segments * weight
                sums[4] += resent * weight
            outcomes += [MALFORMED] * (len(block.data) // block.length - len(outcomes))
            for outcome, number in Counter(outcomes).items():
                self._events[outcome] += number * weight

    def take(self, wanted: Iterable[Service]) -> Mapping[Service, Closings]:
        """Return the sums of all services that have any, and of the wanted ones."""
        with self._lock:
            found = {service: Closings(*sums) for service, sums in self._sums.items()}
        return {**dict.fromkeys(wanted, NONE), **found}

    def take_events(self) -> Mapping[str, int]:
        """Return the number of events by outcome."""
        with self._lock:
            return dict(self._events)
