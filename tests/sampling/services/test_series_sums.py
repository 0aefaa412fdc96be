"""Series sum up to what the tables have, whatever is folded into which port."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.procnet import parse_table
from exporter.kernel.tables import TABLES
from exporter.sampling.services.counts import RECEIVE_QUEUE, SEND_QUEUE
from exporter.sampling.services.ports import PortRules
from exporter.sampling.services.series import SERIES_KEPT_SECONDS, SeriesMemory
from tests.support.procfs_tree import Printed, print_row, print_table
from tests.support.sampling import port_rules
from tests.support.sampling.port_rules import count_text, make_counter
from tests.support.sampling.series import LEAKING, SeriesHost, show

FEW = settings(max_examples=30)  # each makes counters, which know of every port

passes = st.lists(
    st.tuples(
        st.lists(port_rules.sockets, max_size=20),
        st.lists(port_rules.sockets, max_size=20),
        port_rules.rules,
        st.sampled_from([1.0, 61.0, 601.0, SERIES_KEPT_SECONDS + 1.0]),
    ),
    min_size=1,
    max_size=4,
)


@FEW
@given(passes=passes)
def test_sums_are_those_of_the_tables(
    passes: list[tuple[list[Printed], list[Printed], PortRules, float]],
) -> None:
    """However many passes there were before, under whatever rules, no socket, byte or connection is lost."""
    host, now = SeriesHost(), 0.0
    for tcp, udp, rules, pause in passes:
        now += pause
        host.rules = rules
        series = host.see(now, tcp=tcp, udp6=udp)
        shown = show(series)
        sockets = Counter[str]()
        for key, number in shown.items():
            sockets[key[0]] += number
        assert sockets == Counter(tcp=len(tcp), udp6=len(udp))
        queues = Counter[int]()
        for folded in series.tables.values():
            for tally in folded.tallies.values():
                queues.update({column: tally[column] for column in (SEND_QUEUE, RECEIVE_QUEUE)})
        others = [row for row in tcp if row.state != states.LISTEN] + udp
        assert queues[SEND_QUEUE] == sum(row.send for row in others)
        assert queues[RECEIVE_QUEUE] == sum(row.receive for row in others)
        waiting = sum(row.receive for row in tcp if row.state == states.LISTEN)
        assert sum(each.waiting for each in series.tables["tcp"].accept_queues.values()) == waiting
        own = {key[2] for key in shown} - {"other"} - set(map(str, rules.always))
        assert len(own) <= rules.limit
        assert series.folded_sockets <= shown_at_other(shown)


def shown_at_other(shown: dict[tuple[str, str, str, str], int]) -> int:
    """Return the sockets that are shown with the port other."""
    return sum(number for key, number in shown.items() if key[2] == "other")


odd_rows = st.one_of(
    port_rules.sockets.map(lambda row: print_row("tcp", row)),
    st.binary(max_size=150).map(lambda junk: junk + b"\n"),
)


@FEW
@given(blocks=st.lists(st.lists(odd_rows, min_size=1, max_size=15), max_size=4), rules=port_rules.rules)
def test_sum_is_what_was_listed_less_malformed_and_repeated(
    blocks: list[list[bytes]], rules: PortRules
) -> None:
    """What does not count as a socket is counted as what it is."""
    content = [print_table("tcp"), *(b"".join(rows) for rows in blocks)]
    count = count_text(make_counter("tcp", rules), "tcp", content)
    series = SeriesMemory().fold({"tcp": count}, rules, LEAKING, 0)
    rows = list(parse_table(TABLES["tcp"], content))
    listed = sum(each.listed for each in rows)
    assert listed == sum(row.count(b"\n") for rows in blocks for row in rows)
    assert sum(show(series).values()) == listed - sum(each.malformed + each.repeated for each in rows)
