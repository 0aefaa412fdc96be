"""Open files are those of the owners of listeners and of tracked sockets, and of nobody else."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config.settings import Ages, Owners, Settings
from exporter.kernel import states
from exporter.sampling.services.series import SERIES_KEPT_SECONDS
from tests.sampling.services.test_open_files import SHOP, WEB, Process, Processes
from tests.support.sampling.host import Clock, Host, collector_of
from tests.support.sampling.netlink import Diag, Netlink
from tests.support.sampling.settings import SETTINGS

NETLINK = replace(SETTINGS, tables=("tcp",), source="netlink")


class OwnProcesses(Processes):
    """Processes of the own network namespace, which netlink shows."""

    def shows_own_namespace(self) -> bool:
        """Tell that it is."""
        return True


@pytest.fixture
def procfs(tmp_path: Path) -> OwnProcesses:
    """Lay out a procfs with a process of each of two units."""
    processes = OwnProcesses(tmp_path)
    processes.make(SHOP, WEB)
    processes.processes = {1: Process(100), 2: Process(200, "unlimited", WEB)}
    return processes


def see(host: Host, settings: Settings = NETLINK, seconds: float = 20) -> dict[str, tuple[float, float]]:
    """Return open files and their limits by owner after a pass."""
    host.change(settings)
    snapshot = host.see(seconds)
    assert collector_of(snapshot, "open_files").error == ""
    found = snapshot.samples["netstat_owner_open_files"]
    limits = snapshot.samples["netstat_owner_open_files_limit"]
    assert found.keys() == limits.keys()
    return {owner: (number, limits[owner,]) for (owner,), number in found.items()}


@pytest.mark.parametrize("state", [states.LISTEN, states.CLOSE_WAIT])
def test_who_has_such_a_socket_is_shown_for_an_hour(
    procfs: OwnProcesses, clock: Clock, netlink: Netlink, state: int
) -> None:
    host = Host(procfs, clock, procfs=procfs)  # type: ignore[arg-type]  # its tables are those of netlink
    assert see(host) == {}
    (shop,), (web,) = procfs.make(SHOP), procfs.make(WEB)
    netlink.fill("tcp", Diag(80, 1, state, inode=1, cgroup_id=shop))
    assert see(host) == {"shop.service": (100, 1024)}
    other = Diag(22, 2, states.LISTEN, inode=2, cgroup_id=web)
    netlink.fill("tcp", Diag(80, 1, state, inode=1, cgroup_id=shop), other)
    assert see(host) == {"shop.service": (100, 1024), "web.service": (200, float("inf"))}
    netlink.fill("tcp", other)
    assert see(host, seconds=SERIES_KEPT_SECONDS - 60).keys() == {"shop.service", "web.service"}
    assert see(host, seconds=120).keys() == {"web.service"}
    procfs.processes.clear()
    assert see(host) == {}


def test_cgroup_without_processes_is_forgotten(procfs: OwnProcesses, clock: Clock, netlink: Netlink) -> None:
    """Otherwise units that come and go, each with a cgroup of its own, would add up for an hour."""
    host = Host(procfs, clock, procfs=procfs)  # type: ignore[arg-type]  # its tables are those of netlink
    (shop,), (web,) = procfs.make(SHOP), procfs.make(WEB)
    other = Diag(22, 2, states.LISTEN, inode=2, cgroup_id=web)
    netlink.fill("tcp", Diag(80, 1, states.LISTEN, inode=1, cgroup_id=shop), other)
    assert see(host).keys() == {"shop.service", "web.service"}
    netlink.fill("tcp", other)
    gone = procfs.processes.pop(1)
    assert see(host).keys() == {"web.service"}
    assert see(host).keys() == {"web.service"}
    procfs.processes[1] = gone
    assert see(host).keys() == {"web.service"}


def test_other_sockets_are_not_enough(procfs: OwnProcesses, clock: Clock, netlink: Netlink) -> None:
    """Nor are tracked ones where nothing is tracked."""
    host = Host(procfs, clock, procfs=procfs)  # type: ignore[arg-type]  # its tables are those of netlink
    (shop,) = procfs.make(SHOP)
    netlink.fill("tcp", Diag(80, 1, states.ESTABLISHED, inode=1, cgroup_id=shop))
    assert see(host) == {}
    netlink.fill("tcp", Diag(80, 1, states.CLOSE_WAIT, inode=1, cgroup_id=shop))
    off = replace(NETLINK, ages=Ages(enabled=False), owners=Owners(enabled=False))
    assert see(host, off) == {}


def test_nobody_is_shown_without_netlink(host: Host) -> None:
    """Procfs does not have the cgroups of sockets."""
    assert see(host, SETTINGS) == {}
