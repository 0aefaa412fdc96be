"""What ss(8) says of a network namespace."""

from collections.abc import Iterator
from typing import NamedTuple

from tests.support.live.namespace import Namespace

SS = ("ss", "--no-header", "--numeric", "--all")
STATES = {
    "ESTAB": "established",
    "SYN-SENT": "syn_sent",
    "SYN-RECV": "syn_recv",
    "FIN-WAIT-1": "fin_wait1",
    "FIN-WAIT-2": "fin_wait2",
    "TIME-WAIT": "time_wait",
    "CLOSE-WAIT": "close_wait",
    "LAST-ACK": "last_ack",
    "LISTEN": "listen",
    "CLOSING": "closing",
    "UNCONN": "unconnected",
}


class Listed(NamedTuple):
    """One socket as ss and we both know it."""

    table: str
    state: str
    local_port: int
    remote_port: int
    receive_queue: int
    send_queue: int


def listed_by_ss(namespace: Namespace, option: str, table: str, family: str) -> Iterator[Listed]:
    """Yield the sockets of one table; ss shows a listener's limit as its send queue, procfs does not."""
    for line in namespace.run(*SS, option, family).splitlines():
        state, receive_queue, send_queue, local, remote, *_ = line.split()
        yield Listed(
            table,
            STATES[state],
            port_of(local),
            port_of(remote),
            int(receive_queue),
            0 if state == "LISTEN" else int(send_queue),
        )


def port_of(address: str) -> int:
    """Return the port at the end of an address."""
    port = address.rpartition(":")[2]
    return 0 if port == "*" else int(port)
