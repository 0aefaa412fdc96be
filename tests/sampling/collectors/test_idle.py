"""Idle connections are asked for once a minute, and what was found is shown until then."""

from collections.abc import Mapping
from dataclasses import replace
from math import inf

import pytest

from exporter.config.settings import ALWAYS, NETLINK, PROCFS, Idle, Memory, Settings, Switch
from exporter.kernel.rows import TIMER_KEEPALIVE
from exporter.kernel.tables import Detail
from exporter.sampling.reading import reader
from exporter.sampling.services.series import SERIES_KEPT_SECONDS
from exporter.sampling.snapshot import Snapshot
from tests.support.procfs_tree import Printed
from tests.support.sampling.host import Host, collector_of
from tests.support.sampling.netlink import BUSY, LATE, REFUSED, Diag, Netlink
from tests.support.sampling.settings import SETTINGS

REDIS = ("tcp", "ipv4", "outbound", "6379", "redis")
HOUR_MILLISECONDS = 3_600_000
LOCAL_PORTS = (40001, 40002, 40003)


class Connections:
    """Sets which connections to a service are idle, by their local port and timer."""

    def __init__(self, host: Host, netlink: Netlink) -> None:
        self._netlink = netlink
        host.tree.fill("tcp", *(Printed(port, 6379) for port in LOCAL_PORTS), Printed(80, 50000))
        self.let_idle({})

    def let_idle(self, timers: Mapping[int, int], milliseconds: int = HOUR_MILLISECONDS) -> None:
        """Let these be idle for so long, and no others."""
        self._netlink.fill(
            "tcp",
            *(
                Diag(
                    port,
                    remote,
                    timer=timers.get(port, 0),
                    data_times=(milliseconds if port in timers else 0,) * 2,
                )
                for port, remote in (*((port, 6379) for port in LOCAL_PORTS), (80, 50000))
            ),
        )

    @property
    def asked(self) -> int:
        """How often the kernel was asked."""
        return len(self._netlink.asked)


@pytest.fixture(params=[NETLINK, PROCFS])
def host(netlink_host: Host, request: pytest.FixtureRequest) -> Host:
    """Return a host whose tables are read from one of the sources."""
    alone = replace(SETTINGS, memory=Memory(enabled=False), ephemeral_ports=Switch(enabled=False))
    netlink_host.change(replace(alone, source=request.param))
    return netlink_host


@pytest.fixture
def connections(host: Host, netlink: Netlink) -> Connections:
    """Fill it with a connection to a listener and some to a service."""
    return Connections(host, netlink)


def shown(snapshot: Snapshot) -> dict[tuple[str, ...], float]:
    """Return the samples of a pass."""
    return dict(snapshot.samples["netstat_idle_sockets"])


def test_from_the_second_pass_on_and_once_a_minute(
    host: Host, connections: Connections, netlink: Netlink
) -> None:
    connections.let_idle({40001: TIMER_KEEPALIVE, 40002: 0, 40003: 0, 80: 0})
    assert shown(host.see()) == {}
    expected = {
        (*REDIS, "yes"): 1,
        (*REDIS, "no"): 2,
        ("tcp", "ipv4", "inbound", "80", "http", "no"): 1,
    }
    assert shown(host.see()) == expected
    connections.let_idle({40001: TIMER_KEEPALIVE})
    assert shown(host.see(59)) == expected
    assert connections.asked == 1
    fewer = {key: 1.0 if key == (*REDIS, "yes") else 0 for key in expected}
    assert shown(host.see(1)) == fewer
    assert netlink.asked == [Detail.DATA_TIMES] * 2


def test_both_details_come_in_one_dump(netlink_host: Host, netlink: Netlink) -> None:
    """The walk of the tables has them; no other is needed."""
    always = Memory(when=ALWAYS)
    netlink_host.change(replace(SETTINGS, source=NETLINK, memory=always))
    netlink.fill("tcp", Diag(40001, 6379, data_times=(HOUR_MILLISECONDS,) * 2, held=(1, 0, 0, 0)))
    netlink_host.see()
    dumps = netlink.dumps
    snapshot = netlink_host.see()
    assert netlink.asked == [Detail.DATA_TIMES | Detail.MEMORY]
    assert netlink.dumps == 2 * dumps
    assert shown(snapshot) == {(*REDIS, "no"): 1}
    assert snapshot.samples["netstat_socket_memory_bytes"] == {(*REDIS, "receive"): 1}


def test_walk_that_may_take_too_long_has_no_details(
    host: Host, connections: Connections, netlink: Netlink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are asked for apart, so that no count is lost."""
    monkeypatch.setattr(reader, "_LONGER", inf)
    connections.let_idle({40001: 0})
    host.see()
    dumps = netlink.dumps
    assert shown(host.see()) == {(*REDIS, "no"): 1}
    assert netlink.asked == [Detail.DATA_TIMES]
    assert netlink.dumps == 2 * dumps + 1


def test_series_at_zero_leave_after_an_hour(host: Host, connections: Connections) -> None:
    host.see()
    connections.let_idle({40001: TIMER_KEEPALIVE})
    assert shown(host.see()) == {(*REDIS, "yes"): 1}
    connections.let_idle({})
    assert shown(host.see(SERIES_KEPT_SECONDS)) == {(*REDIS, "yes"): 0}
    assert shown(host.see()) == {}


def test_another_duration_is_asked_for_at_once(host: Host, connections: Connections) -> None:
    connections.let_idle({40001: 0}, 60_000)
    host.see()
    assert shown(host.see()) == {}
    host.change(replace(host.settings, idle=Idle(after_seconds=60.0, every_seconds=600.0)))
    assert shown(host.see()) == {(*REDIS, "no"): 1}
    host.see(500)
    assert connections.asked == 2


@pytest.mark.parametrize("host", [PROCFS], indirect=True)
def test_failure_is_seen_until_the_next_measurement(
    host: Host, connections: Connections, netlink: Netlink
) -> None:
    """Nothing old is shown meanwhile; an error that passes is tried again at once."""
    host.see()
    connections.let_idle({40001: TIMER_KEEPALIVE})
    host.see()
    netlink.errors.append(LATE)
    for seconds in (60, 5):
        failed = host.see(seconds)
        assert "netstat_idle_sockets" not in failed.samples
        assert "late" in collector_of(failed, "idle").error
    netlink.errors.append(BUSY)
    assert shown(host.see(60)) == {(*REDIS, "yes"): 1}


@pytest.mark.parametrize("host", [PROCFS], indirect=True)
def test_nothing_is_shown_without_netlink(host: Host, connections: Connections, netlink: Netlink) -> None:
    """It is no failure: the kernel, or where the exporter runs, does not have it."""
    connections.let_idle({40001: 0})
    netlink.errors.extend([REFUSED] * 9)
    host.see()
    snapshot = host.see()
    assert shown(snapshot) == {}
    assert collector_of(snapshot, "idle").error == ""


def test_nothing_is_shown_of_a_table_that_failed(
    host: Host, netlink: Netlink, connections: Connections
) -> None:
    connections.let_idle({40001: TIMER_KEEPALIVE})
    host.see()
    host.see()
    host.tree.make_fifo("tcp")
    netlink.errors.extend([LATE] * 9)
    assert shown(host.see()) == {}


@pytest.mark.parametrize("host", [PROCFS], indirect=True)
def test_the_other_family_of_a_table_that_failed_is_shown(
    host: Host, netlink: Netlink, connections: Connections
) -> None:
    connections.let_idle({40001: 0})
    host.tree.fill("tcp6", Printed(40009, 6379))
    netlink.fill("tcp6", Diag(40009, 6379, data_times=(HOUR_MILLISECONDS,) * 2))
    host.see()
    assert {key[1] for key in shown(host.see())} == {"ipv4", "ipv6"}
    host.tree.make_fifo("tcp")
    netlink.errors.extend([LATE] * 9)
    assert {key[1] for key in shown(host.see())} == {"ipv6"}


@pytest.mark.parametrize("enabled", [True, False])
def test_switch(host: Host, connections: Connections, *, enabled: bool) -> None:
    host.change(replace(host.settings, idle=Idle(enabled=enabled)))
    host.see()
    assert enabled == ("netstat_idle_sockets" in host.see().samples)
    assert enabled == bool(connections.asked)
    assert Settings().idle.enabled
