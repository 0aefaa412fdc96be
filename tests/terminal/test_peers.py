"""The remote addresses of a leak are those of its sockets, busiest first, and of no others."""

import ipaddress

import pytest

from exporter.kernel.rows import End
from exporter.status.model import Leak
from exporter.terminal.peers import format_address, match_peers


def leak(direction: str, port: int) -> Leak:
    """Return a leak at a port."""
    return Leak(severity="ok", sockets=1, protocol="tcp", direction=direction, port=str(port))


def end(local_port: int, remote_port: int, address: str) -> End:
    """Return the other end of a socket."""
    return End(local_port, remote_port, ipaddress.ip_address(address).packed)


def test_a_socket_belongs_to_the_leak_at_its_own_port_or_else_at_the_other_one() -> None:
    inbound, outbound, quiet = leak("inbound", 8080), leak("outbound", 6379), leak("inbound", 1)
    ends = [
        end(8080, 50001, "192.0.2.7"),
        end(8080, 50002, "192.0.2.7"),
        end(8080, 6379, "192.0.2.9"),
        end(50003, 6379, "2001:db8::1"),
        end(50004, 443, "192.0.2.8"),
    ]
    assert match_peers([inbound, outbound, quiet], ends) == [
        (inbound, [("192.0.2.7", 2), ("192.0.2.9", 1)]),
        (outbound, [("2001:db8::1", 1)]),
        (quiet, []),
    ]


def test_no_more_than_five_addresses_are_shown() -> None:
    ends = [end(8080, 50000, f"192.0.2.{number}") for number in range(9)]
    ((_, busiest),) = match_peers([leak("inbound", 8080)], ends)
    assert len(busiest) == 5


@pytest.mark.parametrize(
    ("address", "text"),
    [("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8::1", "2001:db8::1")],
)
def test_an_address_is_written_as_people_do(address: str, text: str) -> None:
    assert format_address(ipaddress.ip_address(address).packed) == text
