"""The operator's name for a port beats the file's, which beats the bundled one."""

import time
from collections.abc import Callable

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
        b"x\t \t50001/tcp\talias 50001/udp",
        b"  x   50001/tcp\r",
        b"\x0bx\x0c50001/tcp",
        b"x 50001/TCP",
        b"x 50001/tcp#comment",
        b"x 0050001/tcp",
        b"\xef\xbb\xbfx 50001/tcp",
        b"# y 50002/tcp\r\nx 50001/tcp\r",
        b"x 50001/tcp\nlater 50001/tcp\nX 50001/tcp",
    ],
)
def test_entry(entry: bytes) -> None:
    """With or without a newline at its end; only the first name counts, and no alias."""
    for services in (entry, entry + b"\n"):
        names = name_ports({}, services)
        assert names.tcp.items() - name_ports({}, b"").tcp.items() == {(50001, "x")}
        assert names.udp == name_ports({}, b"").udp


@pytest.mark.parametrize(
    "entry",
    [
        b"y 0/tcp",
        b"y 65536/tcp",
        b"y 99999/tcp",
        b"y 4294967297/tcp",
        b"y %b/tcp" % (b"9" * 5_000),
        b"y -1/tcp",
        b"y +50001/tcp",
        b"y 0xc351/tcp",
        b"y 50001-50010/tcp",
        b"y 50001/tcp-50010/tcp",
        b"y 50001/sctp",
        b"y 50001/tcp6",
        b"y 50001/tcpmux",
        b"y 50001/tcp,udp",
        b"y 50001 /tcp",
        b"y 50001/ tcp",
        b"y 50001",
        b"50001/tcp",
        b"#y 50001/tcp",
        b"y#z 50001/tcp",
        b"y # 50001/tcp",
        b"\xef\xbb\xbf# y 50001/tcp",
        b"y\n50001/tcp",
        b"y z 50001/tcp",
    ],
)
def test_what_is_no_entry_is_passed_over(entry: bytes) -> None:
    """As getservbyport(3) does; ranges are in no format of services(5). The next entry is read."""
    names = name_ports({}, entry + b"\nx 50005/tcp\n")
    assert names.tcp.items() - name_ports({}, b"").tcp.items() == {(50005, "x")}


def test_quotes_and_odd_bytes_stay_in_the_name() -> None:
    names = name_ports({}, b'"qu\\oted" 50001/tcp\n\xff\xfe\x07 50002/tcp\n' + b"n" * 500 + b" 50003/tcp\n")
    assert names.tcp[50001] == '"qu\\oted"'
    assert names.tcp[50002] == "\N{REPLACEMENT CHARACTER}" * 3
    assert names.tcp[50003] == "n" * 64


@pytest.mark.parametrize(
    "make_services",
    [
        lambda: b"name 50001/tcp\n" * 1_000_000,
        lambda: b"".join(b"name%d %d/udp\n" % (number, number % 70_000) for number in range(1_000_000)),
        lambda: b" " * 5_000_000,
        lambda: b"x" * 5_000_000,
        lambda: b"x " * 2_500_000,
        lambda: b"x 1" * 1_700_000,
        lambda: b"\n" * 5_000_000,
    ],
    ids=["a million lines", "a million names", "blanks", "one word", "words", "ports", "blank lines"],
)
def test_large_file_is_read_in_time(make_services: Callable[[], bytes]) -> None:
    """It takes a time in proportion to its size: more would be minutes."""
    services = make_services()
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
