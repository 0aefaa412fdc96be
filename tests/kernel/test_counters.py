"""The kernel's counters and limits are found by name, and what is not there or no number is absent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel.counters import parse_numbers, parse_pairs, parse_port_list, parse_sockstat
from tests.support.procfs_tree import read_captured

NAMES = st.from_regex(rb"[A-Z][A-Za-z0-9]{0,9}", fullmatch=True)
NUMBERS = st.integers(-(1 << 63), (1 << 64) - 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            b"sockets: used 9\nTCP: inuse 5 orphan 1 tw 2 mem 3\nFRAG: inuse 0 memory 0\n",
            {
                "sockets": {"used": 9},
                "TCP": {"inuse": 5, "orphan": 1, "tw": 2, "mem": 3},
                "FRAG": {"inuse": 0, "memory": 0},
            },
        ),
        (b"TCP6: inuse 12\n", {"TCP6": {"inuse": 12}}),
        (b"", {}),
        (b"\xff\xfe: inuse 1\nTCP: inuse x tw 7 mem\n", {"\ufffd\ufffd": {"inuse": 1}, "TCP": {"tw": 7}}),
    ],
)
def test_sockstat(text: bytes, expected: dict[str, dict[str, int]]) -> None:
    """Numbers stand by protocol and name; what is none is left out."""
    assert expected == parse_sockstat(text)


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, NUMBERS, min_size=1), max_size=5), st.integers(0, 3))
def test_pairs(found: dict[bytes, dict[bytes, int]], more: int) -> None:
    """Every name has its value, whatever else there is; more values than names do no harm."""
    text = b"".join(
        b"%b: %b\n%b: %b\n"
        % (prefix, b" ".join(numbers), prefix, b" ".join(b"%d" % n for n in (*numbers.values(), *[7] * more)))
        for prefix, numbers in found.items()
    )
    for prefix, numbers in found.items():
        expected = {name.decode(): number for name, number in numbers.items()}
        assert expected == parse_pairs(text, prefix.decode())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"A: x y\nA: 1\n", {"x": 1}),
        (b"A: x y\nA: z 2\n", {"y": 2}),
        (b"A: x\nB: 1\n", {}),
        (b"AA: x\nAA: 1\n", {}),
        (b"A: x", {}),
        (b"A: x\nA: 1\nA: y\nA: 2\n", {"x": 1, "y": 2}),  # as IcmpMsg with more than 16 types
        (b"A: x\nA: " + b"9" * 5000, {}),
    ],
)
def test_odd_pairs(text: bytes, expected: dict[str, int]) -> None:
    assert expected == parse_pairs(text, "A")


def test_captured_pairs() -> None:
    """Both files have what the page shows, and a number that may be negative."""
    assert {"TCPTimeWaitOverflow", "ListenOverflows", "ListenDrops", "TCPAbortOnMemory"} <= parse_pairs(
        read_captured("netstat"), "TcpExt"
    ).keys()
    assert parse_pairs(read_captured("snmp"), "Tcp")["MaxConn"] == -1


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"1\t2\t3\n", (1, 2, 3)), (b"-1\n", (-1,)), (b"\n", ()), (b"1 two\n", ()), (b"\xff", ())],
)
def test_numbers(text: bytes, expected: tuple[int, ...]) -> None:
    assert expected == parse_numbers(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"\n", ()),
        (b"8080\n", (range(8080, 8081),)),
        (b"8080,9000-9010\n", (range(8080, 8081), range(9000, 9011))),
        (b"a,1-,-2,3\n", (range(3, 4),)),
    ],
)
def test_port_list(text: bytes, expected: tuple[range, ...]) -> None:
    assert expected == parse_port_list(text)


@given(st.binary(max_size=100))
def test_any_bytes_are_read(text: bytes) -> None:
    """Nothing is raised."""
    for parse in (parse_sockstat, parse_numbers, parse_port_list):
        parse(text)
    parse_pairs(b"A: " + text, "A")
