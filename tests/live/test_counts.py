"""The exporter's page shows exactly the sockets that were made, state by state and on both sides.

The page is also held against ss and psutil, which look at the same sockets on their own.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from exporter.kernel.tables import TABLES
from tests.support.daemon import ALONE, parse_page, run_once
from tests.support.live.made import Made
from tests.support.live.namespace import Namespace
from tests.support.live.sockets import held_sockets
from tests.support.live.ss import listed_by_ss

pytestmark = pytest.mark.live

Labels = tuple[str, ...]

TABLE_LABELS = ("protocol", "family")
SOCKET_LABELS = ("protocol", "family", "state", "direction", "port")
QUEUE_LABELS = ("protocol", "family", "direction", "port")
LISTENER_LABELS = ("protocol", "family", "port")
PORTLESS = ("raw", "unix")

PSUTIL = """
import json, psutil
connections = psutil.net_connections("inet")
print(json.dumps([(one.family.name, one.type.name, one.status) for one in connections]))
"""


class Page:
    """The exporter's page of one pass over every table of a namespace, without its zeros."""

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        configuration = folder / "every-table.yaml"
        configuration.write_text(f"tables: [{', '.join(TABLES)}]\n{ALONE}", encoding="ascii")
        run = run_once("--once", f"--config.file={configuration}", prefix=namespace.command())
        assert run.returncode == 0, run.stderr
        self._samples = parse_page(run.stdout)

    def count(self, metric: str, *labels: str) -> Counter[Labels]:
        """Add up the samples of a metric by some of its labels."""
        found: Counter[Labels] = Counter()
        for (name, pairs), value in self._samples.items():
            if name == metric and value:
                every_label = dict(pairs)
                found[tuple(every_label[label] for label in labels)] += int(value)
        return found


def labels_of(one: Made) -> dict[str, str]:
    """Return the labels under which a socket has to be counted."""
    protocol = one.table.removesuffix("6")
    service_port = one.local_port if one.direction == "inbound" else one.remote_port
    return {
        "table": one.table,
        "protocol": protocol,
        "family": "" if protocol == "unix" else "ipv6" if one.table.endswith("6") else "ipv4",
        "state": one.state,
        "direction": one.direction,
        "port": "" if protocol in PORTLESS else str(service_port),
    }


def count_made(made: Iterable[Made], *labels: str, by: str = "sockets") -> Counter[Labels]:
    """Add up a field of what was made by some of the labels."""
    found: Counter[Labels] = Counter()
    for one in made:
        if value := getattr(one, by):
            all_labels = labels_of(one)
            found[tuple(all_labels[label] for label in labels)] += value
    return found


def test_every_socket_is_on_the_page(namespace: Namespace, tmp_path: Path) -> None:
    """No state, side, family or port has one more or less."""
    with held_sockets("everything", namespace) as made:
        page = Page(namespace, tmp_path)
    assert count_made(made, *SOCKET_LABELS) == page.count("netstat_sockets", *SOCKET_LABELS)


def test_every_queue_is_on_the_page(namespace: Namespace, tmp_path: Path) -> None:
    """Bytes of connections and connections of listeners are kept apart."""
    with held_sockets("everything", namespace) as made:
        page = Page(namespace, tmp_path)
    listeners = [one for one in made if one.state == "listen"]
    others = [one for one in made if one.state != "listen"]
    for name, field in (
        ("netstat_receive_queue_bytes", "receive_queue"),
        ("netstat_send_queue_bytes", "send_queue"),
    ):
        assert count_made(others, *QUEUE_LABELS, by=field) == page.count(name, *QUEUE_LABELS), name
    waiting = count_made(listeners, *LISTENER_LABELS, by="receive_queue")
    assert waiting == page.count("netstat_accept_queue_length", *LISTENER_LABELS)


def test_every_row_is_counted_once(namespace: Namespace, tmp_path: Path) -> None:
    """What the kernel listed is what was made; no row is malformed, and none was listed twice."""
    with held_sockets("everything", namespace) as made:
        page = Page(namespace, tmp_path)
    assert count_made(made, "table") == page.count("netstat_exporter_table_rows", "table")
    assert not page.count("netstat_exporter_malformed_rows_total", "table")
    assert not page.count("netstat_exporter_repeated_rows_total", "table")
    assert {(table,) for table in TABLES} == set(page.count("netstat_exporter_table_success", "table"))


def test_page_agrees_with_sockstat(namespace: Namespace, tmp_path: Path) -> None:
    """The kernel's own count of full sockets is ours, SYN_RECV by TCP Fast Open included."""
    with held_sockets("everything", namespace):
        page = Page(namespace, tmp_path)
    assert not page.count("netstat_exporter_sockstat_difference", "protocol", "family")


def test_two_hosts_count_one_side_each(hosts: tuple[Namespace, Namespace], tmp_path: Path) -> None:
    """The client's host, where nothing listens, has all its connections outbound; the server's, inbound."""
    server, client = hosts
    with held_sockets("connections", client, server) as made:
        pages = {"inbound": Page(server, tmp_path), "outbound": Page(client, tmp_path)}
    for direction, page in pages.items():
        of_host = [one for one in made if one.direction == direction]
        assert count_made(of_host, *SOCKET_LABELS) == page.count("netstat_sockets", *SOCKET_LABELS)


@pytest.mark.usefixtures("ss")
def test_page_agrees_with_ss(namespace: Namespace, tmp_path: Path) -> None:
    """Table by table and state by state."""
    with held_sockets("everything", namespace):
        page = Page(namespace, tmp_path).count("netstat_sockets", *TABLE_LABELS, "state")
        for protocol, option in (("tcp", "-t"), ("udp", "-u"), ("raw", "-w")):
            for family, version in (("ipv4", "-4"), ("ipv6", "-6")):
                listed = Counter(one.state for one in listed_by_ss(namespace, option, protocol, version))
                assert listed == of_table(page, protocol, family), (protocol, family)


def test_page_agrees_with_psutil(namespace: Namespace, tmp_path: Path) -> None:
    """Table by table and state by state; psutil gives UDP no states."""
    with held_sockets("everything", namespace):
        listed = Counter(tuple(one) for one in json.loads(namespace.run(sys.executable, "-c", PSUTIL)))
        page = Page(namespace, tmp_path).count("netstat_sockets", *TABLE_LABELS, "state")
    for family, address_family in (("ipv4", "AF_INET"), ("ipv6", "AF_INET6")):
        tcp = {
            state.lower(): count
            for (in_family, kind, state), count in listed.items()
            if (in_family, kind) == (address_family, "SOCK_STREAM")
        }
        assert tcp == of_table(page, "tcp", family)
        assert listed[address_family, "SOCK_DGRAM", "NONE"] == of_table(page, "udp", family).total()


def of_table(page: Counter[Labels], protocol: str, family: str) -> Counter[str]:
    """Return the sockets of one table by state."""
    return Counter({state: count for (*table, state), count in page.items() if table == [protocol, family]})


def test_example_of_the_documentation(namespace: Namespace, tmp_path: Path) -> None:
    """A client that does not close what the print server has closed is seen from both sides."""
    labels = ("protocol", "family", "state", "direction", "port", "port_name")
    with held_sockets("close-wait", namespace):
        page = Page(namespace, tmp_path).count("netstat_sockets", *labels)
    assert page["tcp", "ipv6", "close_wait", "outbound", "631", "ipp"] == 1
    assert page["tcp", "ipv6", "fin_wait2", "inbound", "631", "ipp"] == 1
