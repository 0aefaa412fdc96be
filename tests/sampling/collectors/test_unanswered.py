"""Sockets whose peers do not answer are counted by what they wait for, and stay at 0 when these do again."""

from dataclasses import replace

import pytest

from exporter.config.settings import Switch
from exporter.kernel import states
from exporter.sampling.collectors.unanswered import TRIES
from exporter.sampling.services.series import SERIES_KEPT_SECONDS
from exporter.sampling.snapshot import Snapshot
from tests.support.procfs_tree import Printed
from tests.support.sampling.host import Host, collector_of, listening
from tests.support.sampling.netlink import Diag, Netlink
from tests.support.sampling.settings import SETTINGS

DATA, KEEPALIVE, WINDOW = 1, 2, 4
FIN_WAIT1 = 4
DATABASE = ("tcp", "ipv4", "outbound", "5432", "postgresql")


def unanswered(snapshot: Snapshot) -> dict[tuple[str, ...], float]:
    """Return the samples of a pass."""
    return dict(snapshot.samples["netstat_unanswered_sockets"])


def client(port: int, timer: int, tries: int, state: int = states.ESTABLISHED) -> Printed:
    """Return a connection to a database."""
    return Printed(40000 + port, 5432, state, timer=timer, tries=tries)


def test_sockets_by_what_they_wait_for(host: Host) -> None:
    """Fewer tries, and any number without a timer, are none."""
    found = host.see(
        tcp=[
            listening(80),
            *(client(i, DATA, TRIES + i) for i in range(6)),
            *(client(10 + i, KEEPALIVE, TRIES) for i in range(3)),
            client(20, WINDOW, TRIES),
            client(21, DATA, 6, states.SYN_SENT),
            client(22, DATA, 3, FIN_WAIT1),
            *(client(30 + timer, timer, TRIES - 1) for timer in (DATA, KEEPALIVE, WINDOW)),
            *(client(40 + timer, timer, 9) for timer in (0, 3, 5)),
            Printed(80, 50000, states.SYN_RECV, timer=DATA, tries=4, inode=0),
        ]
    )
    assert unanswered(found) == {
        (*DATABASE, "established", "data"): 6,
        (*DATABASE, "established", "keepalive"): 3,
        (*DATABASE, "established", "window"): 1,
        (*DATABASE, "syn_sent", "handshake"): 1,
        (*DATABASE, "fin_wait1", "data"): 1,
        ("tcp", "ipv4", "inbound", "80", "http", "syn_recv", "handshake"): 1,
    }


def test_zero_is_shown_for_an_hour_while_the_table_is_read(host: Host) -> None:
    """Nothing is shown of what was never seen, and nothing of a table that could not be read."""
    key = (*DATABASE, "established", "data")
    assert unanswered(host.see(tcp=[client(1, DATA, 0)])) == {}
    assert unanswered(host.see(tcp=[client(1, DATA, 5)])) == {key: 1}
    assert unanswered(host.see(tcp=[client(1, DATA, 0), client(2, DATA, 0)])) == {key: 0}
    assert unanswered(host.see(SERIES_KEPT_SECONDS - 5, tcp=[])) == {key: 0}
    host.tree.make_fifo("tcp")
    assert unanswered(host.see(-1.0)) == {}
    assert unanswered(host.see(5, tcp=[])) == {}


def test_table_that_failed_has_no_zeros(host: Host) -> None:
    """Of the other family there are some."""
    snapshot = host.see(tcp=[client(1, DATA, 5)], tcp6=[client(2, DATA, 5)])
    assert {key[1]: number for key, number in unanswered(snapshot).items()} == {"ipv4": 1, "ipv6": 1}
    host.tree.make_fifo("tcp")
    assert {key[1]: number for key, number in unanswered(host.see()).items()} == {"ipv6": 1}


def test_ports_without_series_are_counted_together(host: Host) -> None:
    """As in netstat_sockets; what was shown before they were folded does not stay."""
    host.change(replace(SETTINGS, ports=replace(SETTINGS.ports, limit=2)))  # domain is one
    rows = [Printed(40000 + i, 18801 + i % 3, timer=DATA, tries=9) for i in range(9)]
    busy = [Printed(45000 + i, 18802) for i in range(99)]
    found = unanswered(host.see(tcp=rows + busy))
    assert {key[3]: number for key, number in found.items()} == {"18802": 3, "other": 6}
    busy = [Printed(45000 + i, 18803) for i in range(500)]
    found = unanswered(host.see(tcp=rows + busy))
    assert {key[3]: number for key, number in found.items()} == {"18803": 3, "other": 6}


@pytest.mark.parametrize("enabled", [True, False])
def test_switch(host: Host, *, enabled: bool) -> None:
    host.change(replace(SETTINGS, unanswered=Switch(enabled=enabled)))
    assert enabled == ("netstat_unanswered_sockets" in host.see().samples)


def test_over_netlink(netlink_host: Host, netlink: Netlink) -> None:
    """The same rows over netlink are the same sockets."""
    netlink.fill(
        "tcp",
        Diag(40001, 5432, timer=DATA, tries=3),
        Diag(40002, 5432, timer=KEEPALIVE, tries=200, inode=7),
        Diag(40003, 5432, timer=WINDOW, tries=2),
        Diag(40004, 5432, timer=3, tries=9),
    )
    snapshot = netlink_host.see()
    assert collector_of(snapshot, "unanswered").error == ""
    assert unanswered(snapshot) == {
        (*DATABASE, "established", "data"): 1,
        (*DATABASE, "established", "keepalive"): 1,
    }
