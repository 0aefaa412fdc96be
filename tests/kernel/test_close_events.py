"""The kernel's events of destroyed sockets are read as they were captured."""

from collections import Counter
from socket import AF_INET, AF_INET6

from exporter.kernel.inet_details import read_closed
from exporter.kernel.netlink import Block
from tests.test_fixtures import FIXTURES

LENGTH = 380


def test_captured_events() -> None:
    """Both ends of a connection with its bytes, one that was aborted, listeners, and failed connects."""
    data = (FIXTURES / "close_events.bin").read_bytes()
    found = list(read_closed(Block(data, LENGTH)))
    assert {"connection": 3, "aborted": 1, "failed": 2, "unconnected": 3} == Counter(
        outcome for outcome, *_ in found
    )
    assert {AF_INET, AF_INET6} == {family for _, family, *_ in found}
    connections = [numbers for outcome, _, _, remote_port, *numbers in found if outcome == "connection"]
    # The end of the stream is a byte received; the client of the aborted connection has received nothing.
    assert [[0, 0], [10, 1000 + 1], [1000, 10 + 1]] == sorted(numbers[:2] for numbers in connections)
    assert all(resent == 0 for *_, resent in connections)


def test_events_hold_no_address_but_loopback() -> None:
    data = (FIXTURES / "close_events.bin").read_bytes()
    loopback = {bytes(16), bytes([127, 0, 0, 1]) + bytes(12), bytes(15) + b"\x01"}
    starts = range(0, len(data), LENGTH)
    addresses = {data[start + place :][:16] for start in starts for place in (24, 40)}
    assert addresses <= loopback
