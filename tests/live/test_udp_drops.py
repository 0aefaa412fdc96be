"""Datagrams that real sockets drop are counted once each, and the counter never falls."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from exporter.config.settings import Settings
from exporter.sampling.sampler import Sampler
from tests.support.live.namespace import Namespace, inside
from tests.support.live.sampling import NAMES, make_sampler

pytestmark = pytest.mark.live

SYSLOG, NTP = 514, 123
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


@pytest.fixture(params=["procfs", "netlink"])
def sampler(namespace: Namespace, request: pytest.FixtureRequest) -> Iterator[Sampler]:
    """Sample the UDP sockets of a namespace, in which the test lives meanwhile."""
    with inside(namespace.path):
        yield make_sampler(Settings(source=request.param, tables=("udp", "udp6")))


@contextmanager
def overflowing(port: int, family: socket.AddressFamily = socket.AF_INET) -> Iterator[socket.socket]:
    """Open a socket with the smallest receive buffer."""
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        receiver.bind((LOOPBACK[family], port))
        receiver.settimeout(0)
        yield receiver


def flood(receiver: socket.socket, datagrams: int) -> int:
    """Send datagrams, read what did arrive, and return how many did not."""
    with socket.socket(receiver.family, socket.SOCK_DGRAM) as sender:
        for _ in range(datagrams):
            sender.sendto(bytes(500), receiver.getsockname())
    arrived = 0
    while True:
        try:
            receiver.recv(500)
        except BlockingIOError:
            return datagrams - arrived
        arrived += 1


def drops_of(sampler: Sampler) -> dict[tuple[str, str], float]:
    """Return what a pass says that was dropped, by family and port."""
    measured = sampler.take_snapshot().samples["netstat_udp_drops_total"]
    return {(family, port): value for (_, family, port, _), value in measured.items() if value}


def test_every_drop_is_counted_once(sampler: Sampler) -> None:
    """As many as were sent and did not arrive, whether or not the socket is still there."""
    drops_of(sampler)
    with overflowing(SYSLOG) as first:
        lost = flood(first, 100)
        assert 0 < lost < 100
        assert drops_of(sampler) == {("ipv4", "514"): lost}
        assert drops_of(sampler) == {("ipv4", "514"): lost}
        lost += flood(first, 50)
        assert drops_of(sampler) == {("ipv4", "514"): lost}
    assert drops_of(sampler) == {("ipv4", "514"): lost}
    with overflowing(SYSLOG) as second, overflowing(SYSLOG, socket.AF_INET6) as third:
        lost += flood(second, 30)
        lost6 = flood(third, 60)
        assert drops_of(sampler) == {("ipv4", "514"): lost, ("ipv6", "514"): lost6}


def test_what_was_dropped_before_is_not_counted(sampler: Sampler) -> None:
    """An earlier run may have counted it; and before the second look nothing is said."""
    with overflowing(NTP) as receiver:
        flood(receiver, 100)
        assert sampler.take_snapshot().samples["netstat_udp_drops_total"] == {}
        lost = flood(receiver, 20)
        assert drops_of(sampler) == {("ipv4", "123"): lost}


def test_sources_may_take_turns(sampler: Sampler) -> None:
    """A socket is the same one, by whichever interface it is looked at."""
    drops_of(sampler)
    with overflowing(SYSLOG) as receiver:
        lost = 0
        for source in ("procfs", "netlink", "procfs", "netlink", "netlink"):
            sampler.change_settings(Settings(source=source, tables=("udp",)), NAMES)
            lost += flood(receiver, 40)
            assert drops_of(sampler) == {("ipv4", "514"): lost}
