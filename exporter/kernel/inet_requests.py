"""Ask for the sockets of an inet table, or of all of TCP, in some states.

Source: ``struct inet_diag_req_v2`` and ``struct inet_diag_req`` in include/uapi/linux/inet_diag.h.
"""

import socket
from struct import Struct
from types import MappingProxyType
from typing import Final

from exporter.kernel import states
from exporter.kernel.inet_diag import INFO, MESSAGE_BYTES, SKMEMINFO
from exporter.kernel.netlink import TCPDIAG_GETSOCK, Question
from exporter.kernel.tables import Table

ALL_STATES: Final = 0xFFF
"""A bit for every state that procfs lists, so without the pseudo-state of sockets that are bound only."""
ONLY_LISTEN: Final = 1 << states.LISTEN
ONLY_BOUND: Final = 1 << 13  # TCP_BOUND_INACTIVE, which exists for inet_diag only

FAMILIES: Final = MappingProxyType({"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6})
_PROTOCOLS: Final = MappingProxyType(
    {
        "tcp": socket.IPPROTO_TCP,
        "udp": socket.IPPROTO_UDP,
        "udplite": socket.IPPROTO_UDPLITE,
        "raw": socket.IPPROTO_RAW,
    }
)

_REQUEST: Final = Struct("=BBBxI48x")  # family, protocol, attributes wanted, states
_TCPDIAG_REQUEST: Final = Struct("=BxxB48xII")  # family, attributes wanted; states, memory not asked for

WANT_INFO: Final = 1 << (INFO - 1)
WANT_SKMEMINFO: Final = 1 << (SKMEMINFO - 1)


def ask_for(table: Table, wanted_states: int = ALL_STATES, *, attributes: int = 0) -> Question:
    """Return how to ask for the sockets of an inet table in some states, a bit for each.

    ``attributes`` are those wanted beside what comes unasked, a bit for each.
    """
    request = _REQUEST.pack(FAMILIES[table.family], _PROTOCOLS[table.protocol], attributes, wanted_states)
    return Question(request, MESSAGE_BYTES)


def ask_for_tcp(wanted_states: int, *, attributes: int = 0) -> Question:
    """Return how to ask for TCP's sockets of both families at once; see ``ask_for``.

    It is the request from before there was SOCK_DIAG_BY_FAMILY: the kernel walks its hash once, not twice.
    """
    return Question(_TCPDIAG_REQUEST.pack(0, attributes, wanted_states, 0), MESSAGE_BYTES, TCPDIAG_GETSOCK)
