"""Measure how many ephemeral ports the busiest destination takes, as they run out by destination.

Two connections may have the same local port if they differ in source or destination address or in the remote
port. So ``connect()`` begins to fail when one destination has taken all, however many ports others have.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from exporter.kernel.destinations import parse_destinations, read_destinations
from exporter.kernel.tables import TABLES, Table
from exporter.sampling.capability import Measures, Pass
from exporter.sampling.counting import SEND_QUEUE
from exporter.sampling.ports import OTHER_PORT, OUTBOUND
from exporter.sampling.snapshot import ListenerKey

WORTH_A_LOOK: Final = 0.1
"""The share of the ephemeral ports that connections to a port must reach before their destinations matter."""

MOST_DESTINATIONS: Final = 20_000


class BusiestDestinations:
    """Looks at the destinations of a port while it has many connections, and remembers nothing."""

    def measure(self, seen: Pass) -> Measures:
        """Return the local ports that the busiest destination takes, of each such port."""
        if not seen.settings.room:
            return {}
        busiest: dict[tuple[str, ...], float] = {}
        for table in map(TABLES.__getitem__, seen.counts):
            if table.protocol == "tcp":
                busiest.update(_find_busiest(table, seen))
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


def _find_busiest(table: Table, seen: Pass) -> Mapping[tuple[str, ...], float]:
    """Return how many local ports the busiest destination takes, of each remote port that has many."""
    attribution = seen.series.attribution
    enough = max(1, WORTH_A_LOOK * len(attribution.rules.ephemeral))
    busiest: dict[tuple[str, ...], float] = {}
    for service, tally in seen.counts[table.name].tallies.items():
        direction, port = service
        if direction == OUTBOUND and port != OTHER_PORT and sum(tally[:SEND_QUEUE]) >= enough:
            _, *labels = attribution.label(table.protocol, service)
            key = ListenerKey(table.protocol, table.family, *labels)
            busiest[key] = max(busiest.get(key, 0), _look(table, port, seen))
    return busiest


def _look(table: Table, port: int, seen: Pass) -> int:
    return seen.look(
        table.name,
        lambda deadline: count_most_frequent(read_destinations(table, port, deadline)),
        lambda blocks: count_most_frequent(parse_destinations(blocks, port)),
    )
