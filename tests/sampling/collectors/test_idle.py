"""Idle connections are asked for once a minute, and what was found is shown until then."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from exporter.config.settings import Idle, Settings
from exporter.kernel import states
from exporter.kernel.inet_details import Idle as Found
from exporter.kernel.tables import Table
from exporter.sampling.collectors import idle as idle_module
from exporter.sampling.services.series import SERIES_KEPT_SECONDS
from exporter.sampling.snapshot import Snapshot
from tests.support.sampling.host import Host, collector_of
from tests.support.sampling.netlink import BUSY, LATE, REFUSED, Diag, Netlink
from tests.support.sampling.settings import SETTINGS

REDIS = ("tcp", "ipv4", "outbound", "6379", "redis")


class Connections:
    """Answers in the kernel's place with idle connections, or with errors."""

    def __init__(self) -> None:
        self.found: list[Found] = []
        self.errors: list[Exception] = []
        self.asked: list[float] = []

    def walk(
        self, tables: Iterable[Table], at_least_seconds: float, deadline: float
    ) -> Iterator[tuple[Table, Iterator[Found]]]:
        """Yield the idle connections of every table of IPv4."""
        del deadline
        self.asked.append(at_least_seconds)
        if self.errors:
            raise self.errors.pop(0)
        for table in tables:
            if table.family == "ipv4":
                yield table, iter(self.found)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Connections:
    """Let idle connections be the test's."""
    made = Connections()
    monkeypatch.setattr(idle_module, "walk_idle", made.walk)
    return made


@pytest.fixture
def host(netlink_host: Host, netlink: Netlink) -> Host:
    """Return a host with a listener and connections to a service."""
    listener = Diag(80, state=states.LISTEN)
    netlink.fill("tcp", listener, Diag(40001, 6379), Diag(40002, 6379), Diag(40003, 6379))
    return netlink_host


def shown(snapshot: Snapshot) -> dict[tuple[str, ...], float]:
    """Return the samples of a pass."""
    return dict(snapshot.samples["netstat_idle_sockets"])


def test_from_the_second_pass_on_and_once_a_minute(host: Host, connections: Connections) -> None:
    connections.found = [(40001, 6379, True), (40002, 6379, False), (40003, 6379, False), (80, 50000, False)]
    assert shown(host.see()) == {}
    expected = {
        (*REDIS, "yes"): 1,
        (*REDIS, "no"): 2,
        ("tcp", "ipv4", "inbound", "80", "http", "no"): 1,
    }
    assert shown(host.see()) == expected
    connections.found = [(40001, 6379, True)]
    assert shown(host.see(59)) == expected
    assert connections.asked == [3600.0]
    fewer = {key: 1.0 if key == (*REDIS, "yes") else 0 for key in expected}
    assert shown(host.see(1)) == fewer
    assert connections.asked == [3600.0, 3600.0]


def test_series_at_zero_leave_after_an_hour(host: Host, connections: Connections) -> None:
    host.see()
    connections.found = [(40001, 6379, True)]
    assert shown(host.see()) == {(*REDIS, "yes"): 1}
    connections.found = []
    assert shown(host.see(SERIES_KEPT_SECONDS)) == {(*REDIS, "yes"): 0}
    assert shown(host.see()) == {}


def test_another_duration_is_asked_for_at_once(host: Host, connections: Connections) -> None:
    host.see()
    host.see()
    host.change(replace(SETTINGS, idle=Idle(after_seconds=60.0, every_seconds=600.0)))
    host.see()
    host.see(500)
    assert connections.asked == [3600.0, 60.0]


def test_failure_is_seen_until_the_next_measurement(host: Host, connections: Connections) -> None:
    """Nothing old is shown meanwhile; an error that passes is tried again at once."""
    host.see()
    connections.found = [(40001, 6379, True)]
    host.see()
    connections.errors = [LATE]
    for seconds in (60, 5):
        failed = host.see(seconds)
        assert "netstat_idle_sockets" not in failed.samples
        assert "late" in collector_of(failed, "idle").error
    connections.errors = [BUSY]
    assert shown(host.see(60)) == {(*REDIS, "yes"): 1}


def test_nothing_is_shown_without_netlink(host: Host, connections: Connections) -> None:
    """It is no failure: the kernel, or where the exporter runs, does not have it."""
    connections.errors = [REFUSED]
    host.see()
    snapshot = host.see()
    assert shown(snapshot) == {}
    assert collector_of(snapshot, "idle").error == ""


def test_nothing_is_shown_of_a_table_that_failed(
    host: Host, netlink: Netlink, connections: Connections
) -> None:
    connections.found = [(40001, 6379, True)]
    host.see()
    host.see()
    host.tree.make_fifo("tcp")
    netlink.errors.extend([LATE] * 9)
    assert shown(host.see()) == {}


@pytest.mark.parametrize("enabled", [True, False])
def test_switch(host: Host, connections: Connections, *, enabled: bool) -> None:
    host.change(replace(SETTINGS, idle=Idle(enabled=enabled)))
    host.see()
    assert enabled == ("netstat_idle_sockets" in host.see().samples)
    assert enabled == bool(connections.asked)
    assert Settings().idle.enabled
