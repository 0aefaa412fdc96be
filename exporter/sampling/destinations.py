"""Measure how many ephemeral ports the busiest destination takes, as they run out by destination.

Two connections may have the same local port if they differ in source or destination address or in the remote
port. So ``connect()`` begins to fail when one destination has taken all, however many ports others have.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from exporter.kernel.destinations import parse_destinations, read_destinations
from exporter.kernel.tables import TABLES, Table
from exporter.sampling.capability import Measures, Pass
from exporter.sampling.counting import SEND_QUEUE
from exporter.sampling.ports import OTHER_PORT, OUTBOUND, Service
from exporter.sampling.snapshot import ListenerKey

WORTH_A_LOOK: Final = 0.1
"""The share of the ephemeral ports that connections to a port must reach before their destinations matter."""

LOOK_AGAIN_SECONDS: Final = 60
_CHANGE: Final = 0.1

MOST_DESTINATIONS: Final = 20_000


class Look(NamedTuple):
    """What a look at a port found, when on the monotonic clock, and among how many connections."""

    taken_at_seconds: float
    connections: int
    busiest: int


class BusiestDestinations:
    """Looks at the destinations of a port while it has many connections.

    A look is one more dump. So the next is taken when the connections have become more or fewer by a tenth,
    be it of what they were or of the ports that were left, which are few when it matters; and after a minute
    in any case: they may have gone from one destination to another.
    """

    def __init__(self) -> None:
        self._looks: dict[tuple[str, int], Look] = {}

    def measure(self, seen: Pass) -> Measures:
        """Return the local ports that the busiest destination takes, of each such port."""
        if not seen.settings.room:
            self._looks.clear()
            return {}
        ephemeral = len(seen.series.attribution.rules.ephemeral)
        crowded = _find_crowded_ports(seen, ephemeral)
        self._looks = {key: look for key, look in self._looks.items() if key in crowded}
        busiest: dict[tuple[str, ...], float] = {}
        for (name, port), connections in crowded.items():
            look = self._looks.get((name, port))
            if look is None or _is_outdated(look, connections, ephemeral, seen.now):
                look = Look(seen.now, connections, _look(TABLES[name], port, seen))
                self._looks[name, port] = look
            protocol, family = TABLES[name].protocol, TABLES[name].family
            _, *labels = seen.series.attribution.label(protocol, Service(OUTBOUND, port))
            key = ListenerKey(protocol, family, *labels)
            busiest[key] = max(busiest.get(key, 0), min(look.busiest, connections))
        return {"ephemeral_ports_busiest_destination": busiest}


def count_most_frequent(batches: Iterable[Iterable[bytes]]) -> int:
    """Return how often the most frequent of some destinations is there, in bounded memory.

    When there are too many different ones, the less frequent half is forgotten. The busiest is not in it: the
    kernel lists sockets in the order of a hash, so it is among the frequent ones from the beginning.
    """
    frequency = Counter[bytes]()
    for destinations in batches:
        frequency.update(destinations)
        if len(frequency) > MOST_DESTINATIONS:
            frequency = Counter(dict(frequency.most_common(MOST_DESTINATIONS // 2)))
    return max(frequency.values(), default=0)


def _find_crowded_ports(seen: Pass, ephemeral: int) -> Mapping[tuple[str, int], int]:
    """Return the connections of the outbound services that have many, by table and port."""
    enough = max(1, WORTH_A_LOOK * ephemeral)
    return {
        (name, port): connections
        for name, count in seen.counts.items()
        if TABLES[name].protocol == "tcp"
        for (direction, port), tally in count.tallies.items()
        if direction == OUTBOUND and port != OTHER_PORT and (connections := sum(tally[:SEND_QUEUE])) >= enough
    }


def _is_outdated(look: Look, connections: int, ephemeral: int, now: float) -> bool:
    left = max(ephemeral - look.busiest, 0)
    changed = abs(connections - look.connections) > _CHANGE * min(look.connections, left)
    return changed or now - look.taken_at_seconds >= LOOK_AGAIN_SECONDS


def _look(table: Table, port: int, seen: Pass) -> int:
    return seen.look(
        table.name,
        lambda deadline: count_most_frequent(read_destinations(table, port, deadline)),
        lambda blocks: count_most_frequent(parse_destinations(blocks, port)),
    )
