"""Rules about ports, and the count of a table under them."""

from collections.abc import Collection, Iterable, Mapping

from hypothesis import strategies as st

from exporter.kernel.procnet import parse_table
from exporter.kernel.tables import TABLES
from exporter.sampling.services.counting import TableCounter
from exporter.sampling.services.counts import TableCount
from exporter.sampling.services.names import name_ports
from exporter.sampling.services.portless import PORTLESS_PROTOCOLS, PortlessCounter
from exporter.sampling.services.ports import OTHER_PORT, OUTBOUND, PortRules
from tests.support.procfs_tree import Printed, print_table

EPHEMERAL = range(32768, 61000)
SERVICES = b"ssh 22/tcp\nhttp 80/tcp\nhttps 443/tcp\nipp 631/tcp\ndomain 53/udp\nquiet 40001/tcp\n"
NOTHING_EXPECTED = frozenset({OTHER_PORT, OUTBOUND})


def make_rules(
    names: Mapping[int, str] | None = None,
    always: Iterable[int] = (),
    limit: int = 100,
    ephemeral: range = EPHEMERAL,
    reserved: Iterable[range] = (),
) -> PortRules:
    """Return rules with the names of SERVICES."""
    return PortRules(name_ports(names or {}, SERVICES), frozenset(always), limit, ephemeral, tuple(reserved))


def make_counter(table: str, rules: PortRules) -> TableCounter | PortlessCounter:
    """Return a counter of a table."""
    if TABLES[table].protocol in PORTLESS_PROTOCOLS:
        return PortlessCounter(TABLES[table])
    return TableCounter(TABLES[table], rules)


def count_text(
    counter: TableCounter | PortlessCounter,
    table: str,
    blocks: Iterable[bytes],
    listened: Iterable[int] = (),
    expected: Collection[int] = NOTHING_EXPECTED,
) -> TableCount:
    """Count a table's text, by a counter that may have counted others before."""
    if isinstance(counter, TableCounter):
        counter.begin(listened, expected)
    for rows in parse_table(TABLES[table], blocks):
        counter.observe(rows)
    return counter.finish()


def count_rows(
    table: str,
    rows: Iterable[Printed],
    rules: PortRules,
    listened: Iterable[int] = (),
    expected: Collection[int] = NOTHING_EXPECTED,
) -> TableCount:
    """Print rows and count them; each has an address of its own, so that none is a repeat."""
    content = print_table(table, (row._replace(peer=i) for i, row in enumerate(rows)))
    return count_text(make_counter(table, rules), table, [content], listened, expected)


ports = st.sampled_from([22, 53, 80, 443, 631, 9999, 32767, 32768, 40000, 40001, 51820, 60999, 61000, 65535])
"""Named, ephemeral, both, neither, and at the edges."""

rules = st.builds(
    make_rules,
    names=st.dictionaries(ports, st.sampled_from(["a", "b"]), max_size=3),
    always=st.frozensets(ports, max_size=3),
    limit=st.integers(1, 8),
    ephemeral=st.sampled_from([EPHEMERAL, range(1024, 65536), range(0)]),
    reserved=st.sampled_from([(), (range(40000, 40002),), (range(65536),)]),
)
sockets = st.builds(
    Printed,
    local=ports,
    remote=ports | st.just(0),
    state=st.integers(0, 15),
    send=st.integers(0, 2**32 - 1),
    receive=st.integers(0, 2**32 - 1),
    inode=st.integers(1, 9),
    timer=st.just(0),
    peer=st.just(0),
    own=st.just(0),
    expires=st.just(0),
    drops=st.just(0),
)
