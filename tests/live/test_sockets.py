"""The sockets that live tests make are the ones that ss finds: nothing more, nothing less."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pytest

from tests import requirements
from tests.live.made import Made
from tests.live.namespace import Namespace
from tests.live.sockets import held_sockets

pytestmark = pytest.mark.live

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


def listed_by_us(made: Iterable[Made], *tables: str) -> Counter[Listed]:
    """Count what was made the way ss is read."""
    found: Counter[Listed] = Counter()
    for one in made:
        if one.table in tables:
            ports, queues = (one.local_port, one.remote_port), (one.receive_queue, one.send_queue)
            found[Listed(one.table, one.state, *ports, *queues)] += one.sockets
    return found


@pytest.fixture
def ss() -> None:
    """Make sure that ss is here."""
    requirements.require_command("ss", "iproute2")


@pytest.mark.usefixtures("ss")
def test_sockets_are_those_of_ss(namespace: Namespace) -> None:
    """State, ports and queues of every TCP, UDP and raw socket are what was said."""
    with held_sockets("everything", namespace) as made:
        for option, protocol in (("-t", "tcp"), ("-u", "udp"), ("-w", "raw")):
            for family, table in (("-4", protocol), ("-6", f"{protocol}6")):
                found = Counter(listed_by_ss(namespace, option, table, family))
                assert listed_by_us(made, table) == found, table


@pytest.mark.usefixtures("ss")
def test_unix_sockets_are_those_of_ss(namespace: Namespace) -> None:
    """By state; ss is not told of the ends that wait for accept, which procfs calls connecting."""
    with held_sockets("everything", namespace) as made:
        lines = namespace.run(*SS, "-x").splitlines()
    found = Counter(STATES[line.split()[1]] for line in lines if line.startswith("u_"))
    found["connected"] = found.pop("established")
    assert by_state(made, "unix") - Counter(connecting=3) == found


def test_sockets_are_those_of_procfs(namespace: Namespace) -> None:
    """What ss does not show is in the kernel's own tables, and so is the row that a name forges."""
    with held_sockets("everything", namespace) as made:
        for table in ("udplite", "udplite6"):
            rows = namespace.run("cat", f"/proc/self/net/{table}").splitlines()[1:]
            found = Counter({"01": "established", "07": "unconnected"}[row.split()[3]] for row in rows)
            assert by_state(made, table) == found, table
        unix = namespace.run("cat", "/proc/self/net/unix")
    listed = by_state(made, "unix")
    assert listed["connecting"] == unix.count(" 0001 02     0 @listener\n")
    assert listed.total() + 1 == len(re.findall(r"\n[0-9a-f]{16}: [0-9A-F]{8} ", unix))


def by_state(made: Iterable[Made], table: str) -> Counter[str]:
    """Count the sockets of a table by state alone."""
    found: Counter[str] = Counter()
    for one in made:
        if one.table == table:
            found[one.state] += one.sockets
    return found


@pytest.mark.usefixtures("ss")
def test_two_hosts_see_one_end_each(hosts: tuple[Namespace, Namespace]) -> None:
    """What is opened outbound is on the client's host, what is inbound on the server's."""
    server, client = hosts
    with held_sockets("connections", client, server) as made:
        for host, direction in ((client, "outbound"), (server, "inbound")):
            of_host = [one for one in made if one.direction == direction]
            ipv4 = Counter(listed_by_ss(host, "-t", "tcp", "-4"))
            ipv6 = Counter(listed_by_ss(host, "-t", "tcp6", "-6"))
            assert listed_by_us(of_host, "tcp", "tcp6") == ipv4 + ipv6
