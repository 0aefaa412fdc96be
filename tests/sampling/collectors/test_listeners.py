"""Who listens where is shown with its owner, and what each port dropped is added up once."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from exporter.config.settings import Owners, Ports
from exporter.kernel import states
from exporter.sampling.collectors.listeners import find_exposure
from exporter.sampling.services.series import SERIES_KEPT_SECONDS
from exporter.sampling.snapshot import Snapshot
from tests.kernel.test_cgroups import lay_out
from tests.support.sampling.host import Clock, Host, by_port, collector_of, listening
from tests.support.sampling.netlink import REFUSED, Diag, Netlink, OwnProcfs
from tests.support.sampling.settings import SETTINGS

UNIT = replace(SETTINGS, tables=("tcp",), source="netlink", owners=Owners(by="unit"))
LOOPBACK = ip_address("127.0.0.1").packed.ljust(16, b"\0")


@pytest.mark.parametrize(
    ("family", "address", "exposure"),
    [
        ("ipv4", "0.0.0.0", "any"),  # noqa: S104 - a listener's address, not ours
        ("ipv4", "127.0.0.53", "loopback"),
        ("ipv4", "192.0.2.7", "address"),
        ("ipv6", "::", "any"),
        ("ipv6", "::ffff:0.0.0.0", "any"),
        ("ipv6", "::1", "loopback"),
        ("ipv6", "::ffff:127.0.0.1", "loopback"),
        ("ipv6", "::ffff:192.0.2.7", "address"),
        ("ipv6", "7f00::", "address"),
        ("ipv6", "2001:db8::1", "address"),
    ],
)
def test_exposure(family: str, address: str, exposure: str) -> None:
    assert exposure == find_exposure(ip_address(address).packed.ljust(16, b"\0"), family)


class Services:
    """A host with services a, b and c, each in a cgroup."""

    def __init__(self, folder: Path, clock: Clock, netlink: Netlink) -> None:
        tree, mount = lay_out(folder)
        self.netlink = netlink
        self.ids = []
        for letter in "abc":
            (mount / f"{letter}.service").mkdir()
            self.ids.append((mount / f"{letter}.service").stat().st_ino)
        self.host = Host(tree, clock, UNIT, procfs=OwnProcfs(str(tree.root)))

    def see(self, *listeners: Diag, seconds: float = 5.0) -> Snapshot:
        """Take a pass over some listeners."""
        self.netlink.fill("tcp", *listeners)
        return self.host.see(seconds)


@pytest.fixture
def services(tmp_path: Path, clock: Clock, netlink: Netlink) -> Services:
    """Lay out a host with services."""
    return Services(tmp_path, clock, netlink)


def listener(port: int, inode: int = 1, drops: int | None = 0, **others: int | bytes) -> Diag:
    """Return a listener; its cookie is its inode."""
    return Diag(
        port,
        state=states.LISTEN,
        send=128,
        inode=inode,
        cookie=inode,
        drops=drops,
        cgroup_id=int(others.get("cgroup_id", 0)),
        own=bytes(others.get("own", bytes(16))),
    )


def infos(snapshot: Snapshot) -> set[tuple[str, ...]]:
    """Return port, exposure and owner of what listens."""
    found = snapshot.samples["netstat_listener_info"]
    assert set(found.values()) <= {1}
    return {(port, exposure, owner) for _, _, port, _, exposure, owner in found}


def drops(snapshot: Snapshot) -> dict[str, float]:
    """Return the drops by port."""
    return by_port(snapshot.samples["netstat_listener_drops_total"])


def test_owners_of_listeners(services: Services) -> None:
    """Several at one port, and one whose cgroup is gone."""
    a, b, _ = services.ids
    snapshot = services.see(
        listener(80, 1, cgroup_id=a),
        listener(80, 2, cgroup_id=a),
        listener(80, 3, cgroup_id=b, own=LOOPBACK),
        listener(22, 4, cgroup_id=1 << 60),
    )
    expected = {("80", "any", "a.service"), ("80", "loopback", "b.service"), ("22", "any", "unknown")}
    assert infos(snapshot) == expected


def test_no_more_owners_and_ports_than_allowed(services: Services) -> None:
    settings = replace(UNIT, owners=Owners(by="unit", limit=1), ports=Ports(limit=1))
    services.host.change(settings)
    a, b, c = services.ids
    found = infos(
        services.see(
            listener(80, 1, cgroup_id=a),
            listener(9001, 2, cgroup_id=a),
            listener(9002, 3, cgroup_id=b),
            listener(9003, 4, cgroup_id=c, own=LOOPBACK),
        )
    )
    assert found == {
        ("80", "any", "a.service"),
        ("other", "any", "a.service"),
        ("other", "any", "other"),
        ("other", "loopback", "other"),
    }


def test_port_that_becomes_busy_has_its_own_name(services: Services) -> None:
    """It has one even if the listeners are the same as before."""
    services.host.change(replace(UNIT, ports=Ports(limit=1)))
    listeners = [listener(9001, 1), listener(9002, 2)]
    connections = [Diag(9002, 50000 + i, cookie=10 + i) for i in range(40)]
    ports = [{port for port, _, _ in infos(services.see(*listeners, *more))} for more in ([], connections)]
    assert ports == [{"9001", "other"}, {"9002", "other"}]


def test_without_owners(services: Services) -> None:
    services.host.change(replace(UNIT, owners=Owners(enabled=False)))
    assert infos(services.see(listener(80, cgroup_id=services.ids[0]))) == {("80", "any", "unknown")}


def test_drops_never_fall(services: Services) -> None:
    """From the second pass on; whatever becomes of workers that share a port."""
    assert drops(services.see(listener(80, 1, 7))) == {}
    assert drops(services.see(listener(80, 1, 7), listener(80, 2, 0))) == {"80": 0}
    assert drops(services.see(listener(80, 1, 9), listener(80, 2, 3)))["80"] == 5
    assert drops(services.see(listener(80, 2, 3)))["80"] == 5
    assert drops(services.see(listener(80, 2, 3), listener(80, 3, 2)))["80"] == 7
    assert drops(services.see())["80"] == 7
    assert drops(services.see(listener(80, 4, 1)))["80"] == 8
    services.see(seconds=SERIES_KEPT_SECONDS)
    assert "80" not in drops(services.see(seconds=1))


def test_what_the_kernel_does_not_say_is_absent(services: Services) -> None:
    """Before Linux 4.7 there are no drops; and never 0 for them."""
    for _ in range(2):
        snapshot = services.see(listener(80, drops=None, cgroup_id=services.ids[0]))
        assert drops(snapshot) == {}
        assert infos(snapshot) == {("80", "any", "a.service")}


def test_beside_procfs(netlink_host: Host, netlink: Netlink) -> None:
    """Listeners are asked for over netlink; where that fails, nothing is shown."""
    off = replace(SETTINGS.ephemeral_ports, enabled=False)
    netlink_host.change(replace(SETTINGS, source="procfs", tables=("tcp",), ephemeral_ports=off))
    netlink.fill("tcp", listener(80, drops=4))
    netlink_host.see(tcp=[listening(80)])
    netlink.fill("tcp", listener(80, drops=5))
    snapshot = netlink_host.see()
    assert drops(snapshot)["80"] == 1
    assert infos(snapshot) == {("80", "any", "unknown")}
    netlink.errors.append(REFUSED)
    snapshot = netlink_host.see()
    assert (drops(snapshot), infos(snapshot)) == ({}, set())
    assert collector_of(snapshot, "listeners").error == ""
