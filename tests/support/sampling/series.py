"""Series of services over passes, with nothing read and nothing shown."""

from collections.abc import Collection, Iterable, Mapping

from exporter.kernel import states
from exporter.kernel.tables import TABLES
from exporter.sampling.services.counts import EMPTY, SEND_QUEUE, TableCount
from exporter.sampling.services.ports import PortRules
from exporter.sampling.services.series import Series, SeriesMemory, states_of
from tests.support.procfs_tree import Printed
from tests.support.sampling.port_rules import count_rows, make_rules

LEAKING = frozenset({states.CLOSE_WAIT})


class SeriesHost:
    """Passes over the tables of a host, with a memory of those before."""

    def __init__(self, rules: PortRules | None = None) -> None:
        self.rules = rules or make_rules()
        self.memory = SeriesMemory()

    def see(self, now: float, **tables: Iterable[Printed]) -> Series:
        """Return the series of a pass."""
        counts: Mapping[str, TableCount] = {
            name: count_rows(name, rows, self.rules, self.memory.listened(name, now), self.memory.expected())
            for name, rows in tables.items()
        }
        return self.memory.fold(counts, self.rules, LEAKING, now)


def show(series: Series) -> dict[tuple[str, str, str, str], int]:
    """Return the sockets by table, direction, port and state, zeros included."""
    found = {}
    for name, folded in series.tables.items():
        for service in folded.shown.keys() | folded.tallies.keys():
            for state in states_of(folded, service):
                key = series.key(TABLES[name], service, state)
                number = folded.tallies.get(service, EMPTY)[state]
                assert (name, key.direction, key.port, key.state) not in found
                found[name, key.direction, key.port, key.state] = number
    return found


def show_states(series: Series, direction: str, port: str, table: str = "tcp") -> dict[str, int]:
    """Return the sockets of a port by state, zeros included."""
    return {key[3]: n for key, n in show(series).items() if key[:3] == (table, direction, port)}


def shown_ports(series: Series) -> set[str]:
    """Return every port that has series."""
    return {key[2] for key in show(series)}


def total(counts: Collection[TableCount]) -> int:
    """Add up the sockets of counts."""
    return sum(sum(tally[:SEND_QUEUE]) for count in counts for tally in count.tallies.values())
