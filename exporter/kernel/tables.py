"""The kernel's socket tables that can be read, and how they differ."""

from collections.abc import Mapping
from enum import Flag
from types import MappingProxyType
from typing import Final, NamedTuple

from exporter.kernel import states


class Detail(Flag):
    """What sock_diag tells of sockets only if it is asked to; procfs does not have it, but for DROPS.

    DROPS are those of datagram sockets. DATA_TIMES say when TCP sockets last had data, MEMORY what they hold.
    """

    NONE = 0
    DROPS = 1
    DATA_TIMES = 2
    MEMORY = 4


class Table(NamedTuple):
    """One socket table, by the name of its file under ``/proc/net``.

    ``family`` is empty for unix sockets. ``sockstat`` is the line of sockstat (sockstat6 for IPv6) whose
    ``inuse`` counts the same sockets, empty where there is none.
    """

    name: str
    protocol: str
    family: str
    states: Mapping[int, str]
    sockstat: str


TABLES: Final[Mapping[str, Table]] = MappingProxyType(
    {
        table.name: table
        for table in (
            Table("tcp", "tcp", "ipv4", states.TCP, "TCP"),
            Table("tcp6", "tcp", "ipv6", states.TCP, "TCP6"),
            Table("udp", "udp", "ipv4", states.DATAGRAM, "UDP"),
            Table("udp6", "udp", "ipv6", states.DATAGRAM, "UDP6"),
            Table("udplite", "udplite", "ipv4", states.DATAGRAM, "UDPLITE"),
            Table("udplite6", "udplite", "ipv6", states.DATAGRAM, "UDPLITE6"),
            Table("raw", "raw", "ipv4", states.DATAGRAM, "RAW"),
            Table("raw6", "raw", "ipv6", states.DATAGRAM, "RAW6"),
            Table("unix", "unix", "", states.UNIX, ""),
        )
    }
)
