"""Whatever is in a message, it is a row, and no other row is different for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel.diag_rows import DiagRows
from exporter.kernel.inet_diag import read_listeners
from exporter.kernel.netlink import Block
from exporter.kernel.tables import TABLES
from tests.support.kernel.messages import SOURCE, message, whole
from tests.support.kernel.parsed import INTERNET, ask_inet, check_rows, read_dump, rows_of_tcp, split_dump


@given(st.lists(st.binary(min_size=60, max_size=60), min_size=1))
def test_any_attributes_are_read(attributes: list[bytes]) -> None:
    """They change nothing of what stands before them."""
    messages = [whole(each) for each in attributes]
    rows = rows_of_tcp(*messages)
    check_rows(rows)
    assert ask_inet(rows) == ask_inet(rows_of_tcp(*[whole()] * len(attributes)))
    assert rows.listed >= len(list(rows.dropping()))
    listeners = list(read_listeners(Block(b"".join(messages), len(messages[0]))))
    assert [(80, SOURCE, 1, 2, 4)] * len(attributes) == [each[:5] for each in listeners]


@pytest.mark.parametrize("table", INTERNET)
@given(
    st.integers(0, 15).flatmap(
        lambda n: st.lists(st.binary(min_size=72 + 4 * n, max_size=72 + 4 * n), min_size=1)
    )
)
def test_any_messages_are_rows(table: str, payloads: list[bytes]) -> None:
    """Whatever is in them, and behind their fields."""
    messages = [message(payload) for payload in payloads]
    rows = DiagRows(TABLES[table], Block(b"".join(messages), len(messages[0])))
    check_rows(rows)
    ask_inet(rows)
    assert (len(payloads), 0, 0) == (rows.listed, rows.malformed, rows.repeated)
    assert len(payloads) >= len(list(rows.dropping()))


@pytest.mark.parametrize("table", ["tcp", "tcp6", "udp6"])
@given(data=st.data())
def test_damage_stays_in_its_message(table: str, data: st.DataObject) -> None:
    """The other rows of a recorded block are what they were."""
    whole_block = data.draw(st.sampled_from(split_dump(table, read_dump(table))))
    block = Block(whole_block.data[: 8 * whole_block.length], whole_block.length)
    number = len(block.data) // block.length
    damaged = bytearray(block.data)
    place = data.draw(st.integers(0, number - 1))
    for _ in range(data.draw(st.integers(1, 4))):
        at = place * block.length + data.draw(st.integers(16, block.length - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    found = []
    for raw in (block.data, bytes(damaged)):
        rows = DiagRows(TABLES[table], Block(raw, block.length))
        check_rows(rows)
        list(rows.dropping())
        found.append([*zip(ask_inet(rows), rows.tracked(range(number)), strict=True)])
    before, after = found
    assert before[:place] + before[place + 1 :] == after[:place] + after[place + 1 :]
