"""Which TCP connections the live tests make: in every state that the kernel lists, on both sides.

CLOSE alone is out of reach: the kernel takes a socket out of its tables before it gives it that state
(``tcp_set_state`` in net/ipv4/tcp.c).
"""

import socket
from typing import Final, NamedTuple

HTTP, HTTPS, IPP = 80, 443, 631
SSH = 22
"""Two listeners share this port, and nobody connects to it."""
SMTP = 25
"""Clients connect to this port, and nobody listens."""
NAMED = {socket.AF_INET: 2049, socket.AF_INET6: 3306}
"""Ports of services elsewhere, from which clients connect; two, as an address may be both IPv4 and mapped."""

DATA = b"0123456789"
SYN = FIN = 1  # each takes a place in the queues, as a byte does


class Listen(NamedTuple):
    """How the server listens; a dual-stack listener takes IPv4 clients too."""

    port: int
    family: socket.AddressFamily
    dual_stack: bool = False
    shared: bool = False


LISTENERS = (
    Listen(HTTP, socket.AF_INET),
    Listen(HTTPS, socket.AF_INET6),
    Listen(IPP, socket.AF_INET6, dual_stack=True),
    Listen(SSH, socket.AF_INET, shared=True),
    Listen(SSH, socket.AF_INET, shared=True),
)


class Route(NamedTuple):
    """How a client reaches a listener; ``address`` has blanks for the server's."""

    port: int
    family: socket.AddressFamily
    address: str


TO_HTTP = Route(HTTP, socket.AF_INET, "{ipv4}")
TO_HTTPS = Route(HTTPS, socket.AF_INET6, "{ipv6}")
TO_IPP = Route(IPP, socket.AF_INET6, "{ipv6}")
TO_IPP_AS_IPV4 = Route(IPP, socket.AF_INET, "{ipv4}")
TO_IPP_AS_MAPPED = Route(IPP, socket.AF_INET6, "::ffff:{ipv4}")
EVERY_ROUTE = (TO_HTTP, TO_HTTPS, TO_IPP, TO_IPP_AS_IPV4, TO_IPP_AS_MAPPED)


class End(NamedTuple):
    """What one end of a connection is left as."""

    state: str
    receive_queue: int = 0
    send_queue: int = 0


ESTABLISHED = End("established")
SYN_SENT = End("syn_sent", send_queue=SYN)
SYN_RECV = End("syn_recv")
FIN_WAIT1 = End("fin_wait1", send_queue=FIN)
FIN_WAIT2 = End("fin_wait2")
TIME_WAIT = End("time_wait")
CLOSE_WAIT = End("close_wait", receive_queue=FIN)
LAST_ACK = End("last_ack", receive_queue=FIN, send_queue=FIN)
CLOSING = End("closing", receive_queue=FIN, send_queue=FIN)


class Scenario(NamedTuple):
    """What a client and the server do one after the other, and what each end is left as, if anything.

    It happens so many ``times``. Where ``port`` is given, the connections go there, not to their route's.
    """

    times: int
    client: End | None
    server: End | None
    story: str
    port: int | None = None

    @property
    def waits(self) -> bool:
        """Whether the connection is left in the listener's accept queue."""
        return self.server == ESTABLISHED and "server accepts" not in self.story


OPEN: Final = "client connects, server accepts"

EVERY_STATE = (
    Scenario(1, ESTABLISHED, ESTABLISHED, OPEN),
    # Both ports have a name, and who listens tells which of them is the service's.
    Scenario(1, ESTABLISHED, ESTABLISHED, f"client binds, {OPEN}"),
    Scenario(1, ESTABLISHED, End("established", len(DATA)), f"{OPEN}, client sends"),
    Scenario(1, End("established", 0, len(DATA)), ESTABLISHED, f"{OPEN}, server deafens, client sends"),
    Scenario(4, CLOSE_WAIT, FIN_WAIT2, f"{OPEN}, server shuts"),
    Scenario(3, FIN_WAIT2, CLOSE_WAIT, f"{OPEN}, client shuts"),
    # Closed as well as shut, a socket in FIN_WAIT2 is reduced to a time-wait minisocket.
    Scenario(2, CLOSE_WAIT, FIN_WAIT2, f"{OPEN}, server shuts, server closes"),
    Scenario(3, FIN_WAIT2, CLOSE_WAIT, f"{OPEN}, client shuts, client closes"),
    Scenario(3, FIN_WAIT1, ESTABLISHED, f"{OPEN}, server deafens, client shuts"),
    Scenario(6, ESTABLISHED, FIN_WAIT1, f"{OPEN}, client deafens, server shuts"),
    Scenario(4, LAST_ACK, FIN_WAIT2, f"{OPEN}, server shuts, server deafens, client closes"),
    Scenario(4, FIN_WAIT2, LAST_ACK, f"{OPEN}, client shuts, client deafens, server closes"),
    Scenario(1, CLOSING, FIN_WAIT1, f"{OPEN}, server deafens, client shuts, server shuts"),
    Scenario(2, FIN_WAIT1, CLOSING, f"{OPEN}, client deafens, server shuts, client shuts"),
    Scenario(2, TIME_WAIT, None, f"{OPEN}, client shuts, server shuts"),
    Scenario(5, None, TIME_WAIT, f"{OPEN}, server shuts, client shuts"),
    # The refusal is not heard.
    Scenario(4, SYN_SENT, None, "client deafens, client connects", SMTP),
    Scenario(2, SYN_SENT, SYN_RECV, "client deafens, client connects"),
    # TCP Fast Open makes the one SYN_RECV with a full socket, and with data before the handshake ends.
    Scenario(
        1,
        End("syn_sent", 0, SYN + len(DATA)),
        End("syn_recv", len(DATA)),
        "client deafens, client opens, server accepts",
    ),
    # Not accepted, with inode 0. Last, because the next accept would take them.
    Scenario(2, ESTABLISHED, ESTABLISHED, "client connects"),
)

ONE_CLOSE_WAIT = (Scenario(1, CLOSE_WAIT, FIN_WAIT2, f"{OPEN}, server shuts"),)

MORE_THAN_10000 = (
    Scenario(1500, ESTABLISHED, ESTABLISHED, OPEN),
    Scenario(12000, TIME_WAIT, None, f"{OPEN}, client closes, server closes"),
)
