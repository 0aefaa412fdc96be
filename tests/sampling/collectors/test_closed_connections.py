"""Closed connections are shown by series; where there are no events that is said, and costs nothing else."""

import threading
from dataclasses import replace

import pytest

from exporter.config.settings import ClosedConnections
from exporter.kernel import states
from exporter.kernel.close_events import CloseEvents
from exporter.kernel.netlink import Block
from exporter.sampling.collectors import closed_connections as collector_module
from exporter.sampling.reading import reader
from exporter.sampling.snapshot import Snapshot
from tests.support.kernel.messages import closed
from tests.support.patience import wait_until
from tests.support.procfs_tree import Printed
from tests.support.sampling.host import Host, collector_of, listening
from tests.support.sampling.netlink import BUSY, REFUSED, Diag, Netlink
from tests.support.sampling.settings import SETTINGS

WANTED = replace(SETTINGS, closed_connections=ClosedConnections(enabled=True))
NAME = "netstat_connections_closed_total"
HTTPS = ("tcp", "ipv4", "inbound", "443", "https")


class Events(CloseEvents):
    """Stands for the kernel; subscriptions fail as long as there are errors."""

    errors: list[Exception]
    waiting: list[bytes]
    open = 0

    def __init__(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
        type(self).open += 1

    def wait(self, seconds: float) -> bool:
        """Tell whether there are events."""
        threading.Event().wait(min(seconds, 0.005))
        return bool(self.waiting)

    def read(self) -> list[Block]:
        """Return an event."""
        return [Block(event, len(event)) for event in [self.waiting.pop()]] if self.waiting else []

    def count_lost(self) -> int:
        """Return that none is lost."""
        return 0

    def close(self) -> None:
        """Note that it is over."""
        type(self).open -= 1


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> type[Events]:
    """Send events in the kernel's place."""
    made = type("MadeEvents", (Events,), {"errors": [], "waiting": [], "open": 0})
    monkeypatch.setattr(collector_module, "CloseEvents", made)
    return made


@pytest.fixture
def host(netlink_host: Host, netlink: Netlink) -> Host:
    """Return a host with a service, whose connections are wanted."""
    netlink.fill("tcp", Diag(443, state=states.LISTEN), Diag(443, 50000))
    netlink_host.change(replace(WANTED, source="netlink"))
    return netlink_host


def see_until(host: Host, number: float) -> Snapshot:
    """Take passes until so many connections of the service are seen closed."""
    snapshot = host.see()
    while snapshot.samples[NAME][HTTPS] != number:
        snapshot = host.see()
    return snapshot


def fields(snapshot: Snapshot, key: tuple[str, ...] = HTTPS) -> list[float]:
    """Return all that is shown of a service."""
    return [found[key] for name, found in snapshot.samples.items() if name.startswith("netstat_connections_")]


def test_shown_by_series(host: Host, events: type[Events]) -> None:
    """Services with sockets are shown at 0; what is closed is added, and never falls."""
    first = host.see()
    assert fields(first) == [0] * 5
    assert ("tcp", "ipv4", "outbound", "other", "other") in first.samples[NAME]
    events.waiting.append(closed((443, 50000), sent=7, received=8, segments=9, resent=2))
    assert [1, 7, 8, 7, 2] == fields(see_until(host, 1))
    events.waiting.append(closed((443, 0), queued=65538, delivered=0))
    last = see_until(host, 2)
    assert [2, 7, 8, 7, 2] == fields(last)
    found = last.samples["netstat_exporter_close_events_total"]
    assert {("connection",): 1, ("aborted",): 1} == {key: number for key, number in found.items() if number}
    assert {(): 1} == last.samples["netstat_exporter_close_events_sampling_ratio"]
    assert {(): 0} == last.samples["netstat_exporter_close_events_lost_total"]
    host.sampler.close()
    wait_until(lambda: events.open == 0)


def test_off_by_default(netlink_host: Host, events: type[Events]) -> None:
    assert NAME not in netlink_host.see().samples
    assert events.open == 0


def test_disabled_at_a_reload(host: Host, events: type[Events]) -> None:
    """The subscription ends, and its series."""
    host.see()
    assert events.open == 1
    host.change(SETTINGS)
    assert NAME not in host.see().samples
    wait_until(lambda: events.open == 0)


def test_no_subscription(host: Host, events: type[Events]) -> None:
    """The collector fails, the sockets are counted, and a later pass tries again."""
    events.errors.extend([REFUSED, BUSY])
    for error in ("sock_diag: refused", "sock_diag: busy"):
        snapshot = host.see()
        assert error == collector_of(snapshot, "closed_connections").error
        assert NAME not in snapshot.samples
        assert snapshot.samples["netstat_sockets"]
        assert not any(status.error for status in snapshot.tables)
    assert fields(host.see()) == [0] * 5
    host.sampler.close()


def test_kernel_without_tcp_diag(host: Host, events: type[Events], monkeypatch: pytest.MonkeyPatch) -> None:
    """It would never send an event: that is no 0."""

    def refuse(*_: object) -> None:
        raise REFUSED

    monkeypatch.setattr(reader, "read_listeners", refuse)
    snapshot = host.see()
    assert "sock_diag: refused" == collector_of(snapshot, "closed_connections").error
    assert NAME not in snapshot.samples
    assert events.open == 0


def test_other_namespace(host: Host, events: type[Events]) -> None:
    """The events would be those of another one than the tables."""
    elsewhere = Host(host.tree, host.clock, WANTED)
    elsewhere.see(tcp=[listening(443), Printed(443, 1)])
    snapshot = elsewhere.see()
    error = collector_of(snapshot, "closed_connections").error
    assert "sock_diag: not available: it shows another network namespace than the procfs" == error
    assert events.open == 0


def test_thread_that_fails(host: Host, events: type[Events], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is that of the collector in one pass; the next subscribes again and goes on counting."""

    def fail(_: object) -> None:
        raise BUSY

    host.see()
    events.waiting.append(closed((443, 50000)))
    see_until(host, 1)
    with monkeypatch.context() as broken:
        broken.setattr(events, "read", fail)
        events.waiting.append(closed((443, 50000)))
        wait_until(lambda: events.open == 0)
        events.waiting.clear()
    assert "sock_diag: busy" == collector_of(host.see(), "closed_connections").error
    events.waiting.append(closed((443, 50000)))
    assert [2, 0, 0, 0, 0] == fields(see_until(host, 2))
    host.sampler.close()


def test_tables_that_fail(host: Host, events: type[Events], netlink: Netlink) -> None:
    """Connections go on being counted, by what the last pass found."""
    host.see()
    host.change(replace(WANTED, source="netlink"))
    netlink.errors.extend([REFUSED] * 9)
    host.tree.remove("tcp").mkdir()
    events.waiting.append(closed((443, 50000)))
    snapshot = see_until(host, 1)
    assert any(status.error for status in snapshot.tables)
    assert [1, 0, 0, 0, 0] == fields(snapshot)
    host.sampler.close()


def test_without_tables_of_tcp(host: Host, events: type[Events]) -> None:
    """There is nothing to show, and nothing fails."""
    host.change(replace(WANTED, tables=("udp",)))
    snapshot = host.see()
    assert "" == collector_of(snapshot, "closed_connections").error
    assert NAME not in snapshot.samples
    assert events.open == 0
