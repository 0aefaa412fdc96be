"""Series sum up to what the tables have, whatever is folded into which port."""

from collections import Counter
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.procnet import parse_table
from exporter.kernel.tables import TABLES
from exporter.sampling.counting import COUNTERS, RECEIVE_QUEUE, SEND_QUEUE, TableCount
from exporter.sampling.ports import PortRules
from exporter.sampling.series import SERIES_KEPT_SECONDS, SeriesMemory
from tests.support.procfs_tree import Printed, print_row, print_table
from tests.support.sampling import port_rules
from tests.support.sampling.port_rules import count_rows

passes = st.lists(
    st.tuples(
        st.lists(port_rules.sockets, max_size=20),
        st.lists(port_rules.sockets, max_size=20),
        port_rules.rules,
        st.sampled_from([1.0, 601.0, SERIES_KEPT_SECONDS + 1.0]),
    ),
    min_size=1,
    max_size=4,
)


@given(passes=passes)
def test_sums_are_those_of_the_tables(
    passes: list[tuple[list[Printed], list[Printed], PortRules, float]],
) -> None:
    """However many passes there were before, under whatever rules, no socket, byte or connection is lost."""
    memory, now = SeriesMemory(), 0.0
    for tcp, udp, rules, pause in passes:
        now += pause
        counts = {
            "tcp": count_rows("tcp", tcp, rules, memory.listening("tcp", now)),
            "udp6": count_rows("udp6", udp, rules),
        }
        series = memory.label(counts, rules, now)
        sockets = Counter[str]()
        for key, number in series.sockets.items():
            sockets[key.protocol] += number
        assert sockets == Counter(tcp=len(tcp), udp=len(udp))
        assert sum(series.send_queue_bytes.values()) == total(counts.values(), SEND_QUEUE)
        assert sum(series.receive_queue_bytes.values()) == total(counts.values(), RECEIVE_QUEUE)
        waiting = sum(row.receive for row in tcp if row.state == states.LISTEN)
        assert sum(series.accept_queue_length.values()) == waiting
        assert (
            len({key.port for key in series.sockets} - {"other"} - set(map(str, rules.always))) <= rules.limit
        )


def total(counts: Iterable[TableCount], column: int) -> int:
    """Add up a column of all tallies."""
    return sum(tally[column] for count in counts for tally in count.tallies.values())


odd_rows = st.one_of(
    port_rules.sockets.map(lambda row: print_row("tcp", row)),
    st.binary(max_size=150).map(lambda junk: junk + b"\n"),
)


@given(blocks=st.lists(st.lists(odd_rows, min_size=1, max_size=15), max_size=4), rules=port_rules.rules)
def test_sum_is_what_was_listed_less_malformed_and_repeated(
    blocks: list[list[bytes]], rules: PortRules
) -> None:
    """What does not count as a socket is counted as what it is."""
    content = [print_table("tcp"), *(b"".join(rows) for rows in blocks)]
    count = COUNTERS["tcp"](TABLES["tcp"], rules).count(parse_table(TABLES["tcp"], content))
    series = SeriesMemory().label({"tcp": count}, rules, 0)
    assert count.listed == sum(row.count(b"\n") for rows in blocks for row in rows)
    assert sum(series.sockets.values()) == count.listed - count.malformed - count.repeated
