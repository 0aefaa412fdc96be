"""Make UDP, UDP-Lite and raw sockets, connected and not, with datagrams unread and refused."""

import errno
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from tests.support.live.connections import make_deaf
from tests.support.live.made import Kept, Made, table_of

LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
MAPPED = "::ffff:127.0.0.1"
PROTOCOLS = {"udp": socket.IPPROTO_UDP, "udplite": socket.IPPROTO_UDPLITE}
SO_MEMINFO = 55  # linux/sock_diag.h; its first word is the memory that unread datagrams take
DATAGRAM = b"12345"


class Service(NamedTuple):
    """A port where ``unconnected`` sockets wait, and to which others are ``connected``.

    Each of those sends ``sent`` datagrams, which nobody reads; deaf waiters refuse them.
    """

    protocol: str
    port: int
    family: socket.AddressFamily
    unconnected: int
    connected: int
    address: str = ""
    sent: int = 0
    deaf: bool = False


DOMAIN, ECHO, NTP, SYSLOG = 53, 7, 123, 514
SERVICES = (
    Service("udp", DOMAIN, socket.AF_INET, unconnected=2, connected=3),
    Service("udp", DOMAIN, socket.AF_INET6, unconnected=3, connected=4),
    Service("udp", DOMAIN, socket.AF_INET6, unconnected=0, connected=1, address=MAPPED),
    Service("udp", NTP, socket.AF_INET, unconnected=1, connected=1, sent=4),
    Service("udp", SYSLOG, socket.AF_INET6, unconnected=1, connected=1, sent=5, deaf=True),
    Service("udplite", ECHO, socket.AF_INET, unconnected=1, connected=2),
    Service("udplite", ECHO, socket.AF_INET6, unconnected=2, connected=1),
)


class Raw(NamedTuple):
    """Raw sockets of one IP protocol, whose number the table shows as their port."""

    protocol: int
    family: socket.AddressFamily
    unconnected: int
    connected: int


RAWS = (
    Raw(socket.IPPROTO_ICMP, socket.AF_INET, unconnected=2, connected=1),
    Raw(socket.IPPROTO_RAW, socket.AF_INET, unconnected=1, connected=0),
    Raw(socket.IPPROTO_ICMPV6, socket.AF_INET6, unconnected=1, connected=2),
)


def make_datagrams(kept: Kept) -> Iterator[Made]:
    """Make every service whose protocol the kernel has, and say what it is in the tables."""
    for service in SERVICES:
        try:
            yield from make_service(service, kept)
        except OSError as error:
            if error.errno != errno.EPROTONOSUPPORT:  # UDP-Lite may be compiled out
                raise


def make_service(service: Service, kept: Kept) -> Iterator[Made]:
    """Make the sockets of one port."""
    protocol = PROTOCOLS[service.protocol]
    table = table_of(service.protocol, service.family)
    address = (service.address or LOOPBACK[service.family], service.port)
    waiting = [socket.socket(service.family, socket.SOCK_DGRAM, protocol) for _ in range(service.unconnected)]
    for waiter in waiting:
        waiter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        waiter.bind(address)
        if service.deaf:
            make_deaf(waiter)
    for _ in range(service.connected):
        client = socket.socket(service.family, socket.SOCK_DGRAM, protocol)
        client.connect(address)
        for _ in range(service.sent):
            client.send(DATAGRAM)
        kept.append(client)
        yield Made(table, "established", client.getsockname()[1], service.port, "outbound")
    refused = service.sent * service.connected if service.deaf else 0
    for waiter in waiting:
        unread = unread_bytes(waiter)
        yield Made(table, "unconnected", service.port, 0, "inbound", receive_queue=unread, drops=refused)
    kept += waiting


def unread_bytes(waiter: socket.socket) -> int:
    """Return the memory of the datagrams in a socket's queue, which is more than their payload."""
    (memory,) = struct.unpack("I", waiter.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 4))
    return int(memory)


def make_raws(kept: Kept) -> Iterator[Made]:
    """Make every raw socket; who opened it has no meaning."""
    for raw in RAWS:
        table = table_of("raw", raw.family)
        for state, count in (("unconnected", raw.unconnected), ("established", raw.connected)):
            for _ in range(count):
                made = socket.socket(raw.family, socket.SOCK_RAW, raw.protocol)
                if state == "established":
                    made.connect((LOOPBACK[raw.family], 0))
                kept.append(made)
                yield Made(table, state, raw.protocol)
