"""The sockets that live tests make are the ones that ss finds: nothing more, nothing less."""

import re
from collections import Counter
from collections.abc import Iterable

import pytest

from tests.support.live.made import Made
from tests.support.live.namespace import Namespace
from tests.support.live.sockets import held_sockets
from tests.support.live.ss import SS, STATES, Listed, listed_by_ss

pytestmark = pytest.mark.live


def listed_by_us(made: Iterable[Made], *tables: str) -> Counter[Listed]:
    """Count what was made the way ss is read."""
    found: Counter[Listed] = Counter()
    for one in made:
        if one.table in tables:
            ports, queues = (one.local_port, one.remote_port), (one.receive_queue, one.send_queue)
            found[Listed(one.table, one.state, *ports, *queues)] += one.sockets
    return found


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
