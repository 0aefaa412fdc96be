"""The operator's name for a port beats the file's, which beats the bundled one."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sampling.services.names import name_ports


def test_precedence() -> None:
    names = name_ports({80: "shop"}, b"www 80/tcp\nsecure 443/tcp\n")
    assert {80: "shop", 443: "secure", 22: "ssh"}.items() <= names.tcp.items()


def test_bundled_names_alone() -> None:
    """As in a container without the file."""
    names = name_ports({}, b"")
    assert (names.tcp[443], names.tcp[9100], names.udp[53]) == ("https", "node-exporter", "domain")
    assert 50000 not in names.tcp


def test_protocols_have_names_of_their_own() -> None:
    """But for the operator's, which hold for all; what is neither shares UDP's ports."""
    names = name_ports({7: "ours"}, b"shell 10514/tcp\nsyslog 10514/udp\n")
    assert (names.of("tcp")[10514], names.of("udp")[10514]) == ("shell", "syslog")
    assert names.of("tcp")[7] == names.of("udp")[7] == names.of("udplite")[7] == "ours"
    assert names.of("udplite") == names.of("udp")


def test_first_name_wins() -> None:
    names = name_ports({}, b"one 50001/tcp\ntwo 50001/tcp\none 50002/tcp\n")
    assert (names.tcp[50001], names.tcp[50002]) == ("one", "one")


@pytest.mark.parametrize(
    "entry",
    [
        b"x 50001/tcp",
        b"x\t50001/tcp alias other # comment",
        b"  x   50001/tcp\r",
        b"# x 50002/tcp\nx 50001/tcp",
        b"y 0/tcp\ny 65536/tcp\ny 99999/tcp\ny -1/tcp\ny 50001/sctp\ny 50001\nx 50001/tcp",
    ],
)
def test_entry(entry: bytes) -> None:
    """With or without a newline at its end, among entries of which nothing is known."""
    for services in (entry, entry + b"\n"):
        tcp = dict(name_ports({}, services).tcp.items() - name_ports({}, b"").tcp.items())
        assert tcp == {50001: "x"}


def test_quotes_and_odd_bytes_stay_in_the_name() -> None:
    names = name_ports({}, b'"qu\\oted" 50001/tcp\n\xff\xfe\x07 50002/tcp\n' + b"n" * 500 + b" 50003/tcp\n")
    assert names.tcp[50001] == '"qu\\oted"'
    assert names.tcp[50002] == "\N{REPLACEMENT CHARACTER}" * 3
    assert names.tcp[50003] == "n" * 64


@pytest.mark.parametrize(
    "services",
    [
        b"name 50001/tcp\n" * 1_000_000,
        b" " * 5_000_000,
        b"x" * 5_000_000,
        b"x " * 2_500_000,
        b"x 1" * 1_700_000,
        b"\n" * 5_000_000,
    ],
    ids=["a million lines", "blanks", "one word", "words", "ports", "blank lines"],
)
def test_large_file_is_read_in_time(services: bytes) -> None:
    """It takes a time in proportion to its size: more would be minutes."""
    started = time.process_time()
    assert name_ports({}, services).tcp[22] == "ssh"
    assert time.process_time() - started < 20


@given(st.binary(max_size=300))
def test_any_bytes(services: bytes) -> None:
    """Names are found or they are not, for ports that there are."""
    names = name_ports({}, services)
    for port, name in (*names.tcp.items(), *names.udp.items()):
        assert 0 < port < 65536
        assert name
