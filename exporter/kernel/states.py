"""Name the socket states, as the kernel numbers them and node_exporter spells them.

Source: include/net/tcp_states.h; for unix sockets ``socket_state`` in include/uapi/linux/net.h.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

UNKNOWN: Final = 0
"""Stands for every number the kernel's header does not name."""

ESTABLISHED: Final = 1
SYN_SENT: Final = 2
SYN_RECV: Final = 3
FIN_WAIT2: Final = 5
TIME_WAIT: Final = 6
CLOSE: Final = 7
CLOSE_WAIT: Final = 8
LISTEN: Final = 10
CLOSING: Final = 11

TCP: Final[Mapping[int, str]] = MappingProxyType(
    {
        ESTABLISHED: "established",
        SYN_SENT: "syn_sent",
        SYN_RECV: "syn_recv",
        4: "fin_wait1",
        FIN_WAIT2: "fin_wait2",
        TIME_WAIT: "time_wait",
        CLOSE: "close",
        CLOSE_WAIT: "close_wait",
        9: "last_ack",
        LISTEN: "listen",
        CLOSING: "closing",
    }
)

# UDP and raw sockets borrow two of TCP's numbers: connected with connect(2), and not.
DATAGRAM: Final[Mapping[int, str]] = MappingProxyType({ESTABLISHED: "established", CLOSE: "unconnected"})

# LISTEN is no unix state: a listening unix socket is "unconnected" with the flag __SO_ACCEPTCON.
UNIX: Final[Mapping[int, str]] = MappingProxyType(
    {1: "unconnected", 2: "connecting", 3: "connected", 4: "disconnecting", LISTEN: "listen"}
)
