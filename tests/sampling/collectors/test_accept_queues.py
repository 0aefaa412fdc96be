"""Accept queues are those of a port's listeners, and the fullest of them is not averaged away."""

from dataclasses import replace

from exporter.config.settings import Ports
from exporter.kernel import states
from exporter.sampling.snapshot import Snapshot
from tests.support.sampling.host import Host, by_port, listening
from tests.support.sampling.netlink import REFUSED, Diag, Netlink
from tests.support.sampling.settings import SETTINGS

LISTENERS = (
    Diag(80, state=states.LISTEN, inode=1, receive=0, send=1000),
    Diag(80, state=states.LISTEN, inode=2, receive=64, send=128),
    Diag(9999, state=states.LISTEN, inode=3, receive=3, send=4),
)


def queues(snapshot: Snapshot) -> tuple[dict[str, float], ...]:
    """Return length, limit and utilization by port."""
    names = ("length", "limit", "utilization_ratio")
    return tuple(by_port(snapshot.samples[f"netstat_accept_queue_{name}"]) for name in names)


def test_over_netlink(netlink_host: Host, netlink: Netlink) -> None:
    netlink.fill("tcp", *LISTENERS)
    netlink_host.change(replace(SETTINGS, source="netlink"))
    expected = ({"80": 64, "9999": 3}, {"80": 1128, "9999": 4}, {"80": 0.5, "9999": 0.75})
    assert queues(netlink_host.see()) == expected


def test_limits_are_asked_for_beside_procfs(netlink_host: Host, netlink: Netlink) -> None:
    """And folded as the lengths are; where netlink fails, they are absent and the lengths are not."""
    netlink.fill("tcp", *LISTENERS)
    off = replace(SETTINGS.ephemeral_ports, enabled=False)
    ports = Ports(limit=2)  # the other one is that of UDP
    netlink_host.change(replace(SETTINGS, source="procfs", ports=ports, ephemeral_ports=off))
    rows = [listening(80, 64), listening(9999, 3)]
    expected = ({"80": 64, "other": 3}, {"80": 1128, "other": 4}, {"80": 0.5, "other": 0.75})
    assert queues(netlink_host.see(tcp=rows)) == expected
    netlink.errors.append(REFUSED)
    assert queues(netlink_host.see()) == ({"80": 64, "other": 3}, {}, {})
