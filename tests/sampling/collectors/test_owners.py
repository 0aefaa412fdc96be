"""Every tracked socket has one owner: one that is named, other, or unknown."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config.settings import Owners as OwnersSettings
from exporter.config.settings import Settings
from exporter.kernel import states
from exporter.sampling.snapshot import Snapshot
from tests.kernel.test_cgroups import lay_out
from tests.support.procfs_tree import Printed
from tests.support.sampling.host import Clock, Host, listening
from tests.support.sampling.netlink import Diag, Netlink, OwnProcfs
from tests.support.sampling.settings import SETTINGS

NO_SUCH_CGROUP = 1 << 60
UNIT = replace(SETTINGS, tables=("tcp",), source="netlink", interval_seconds=3600.0)


class Services:
    """A host with services a, b, c and so on, that hold sockets in CLOSE_WAIT at port 80."""

    def __init__(self, folder: Path, clock: Clock, netlink: Netlink) -> None:
        tree, mount = lay_out(folder)
        self.netlink = netlink
        self.ids: list[int] = []
        for letter in "abcdefgh":
            service = mount / f"{letter}.service"
            service.mkdir()
            self.ids.append(service.stat().st_ino)
        self.host = Host(tree, clock, by("unit"), procfs=OwnProcfs(str(tree.root)))

    def see(self, numbers: Sequence[int], unknown: int = 0, seconds: float = 5.0) -> Snapshot:
        """Take a pass over so many sockets of each, and some of a cgroup that is gone."""
        held = [*zip(self.ids, [*numbers, *[0] * 8], strict=False), (NO_SUCH_CGROUP, unknown)]
        sockets = [
            Diag(80, 1000 + 100 * place + one, states.CLOSE_WAIT, inode=1, cgroup_id=cgroup_id)
            for place, (cgroup_id, number) in enumerate(held)
            for one in range(number)
        ]
        self.netlink.fill("tcp", Diag(80, state=states.LISTEN, inode=2), *sockets)
        return self.host.see(seconds)


def by(way: str, limit: int = 50) -> Settings:
    """Return settings that find owners in a way."""
    return replace(UNIT, owners=OwnersSettings(by=way, limit=limit))


@pytest.fixture
def services(tmp_path: Path, clock: Clock, netlink: Netlink) -> Services:
    """Lay out a host with services."""
    return Services(tmp_path, clock, netlink)


def owners_of(snapshot: Snapshot) -> dict[str, float]:
    """Return sockets by owner, all of which are in one series."""
    found = snapshot.samples["netstat_owner_sockets"]
    assert {labels[:-1] for labels in found} <= {("tcp", "close_wait", "inbound", "80", "http")}
    return {labels[-1]: number for labels, number in found.items()}


def test_sockets_are_counted_by_owner(services: Services) -> None:
    snapshot = services.see([3, 2], unknown=4)
    assert owners_of(snapshot) == {"a.service": 3, "b.service": 2, "unknown": 4}
    assert snapshot.samples["netstat_exporter_owner_sockets_unattributed"] == {(): 4}


def test_owner_of_lately_stays_at_zero_for_an_hour(services: Services) -> None:
    services.see([3])
    assert owners_of(services.see([0, 1], seconds=3600)) == {"a.service": 0, "b.service": 1}
    assert owners_of(services.see([0, 1], seconds=1)) == {"b.service": 1}


def test_no_more_names_than_allowed_and_no_socket_lost(services: Services) -> None:
    """Pass after pass, whoever has the most."""
    services.host.change(by("unit", limit=2))
    for numbers in ([5, 4, 3, 2], [2, 3, 4, 5], [9, 0, 0, 9, 1], []):
        found = owners_of(services.see(numbers, unknown=3))
        assert sum(found.values()) == sum(numbers) + 3
        assert found.pop("unknown") == 3
        found.pop("other", None)
        assert len(found) <= 2


def test_without_cgroups_all_are_unknown(services: Services) -> None:
    """And no zero is told of it."""
    (services.host.tree.root / "self" / "mountinfo").unlink()
    assert owners_of(services.see([3, 2])) == {"unknown": 5}


def add_process(root: Path, pid: int, program: bytes, inode: int) -> None:
    """Add a process that holds a socket."""
    folder = root / str(pid)
    (folder / "fd").mkdir(parents=True)
    stat = b"%d (%b) S %b 100 %b\n" % (pid, program, b" ".join([b"0"] * 18), b" ".join([b"0"] * 30))
    (folder / "stat").write_bytes(stat)
    (folder / "comm").write_bytes(program + b"\n")
    (folder / "cgroup").write_bytes(b"0::/\n")
    (folder / "fd" / "3").symlink_to(f"socket:[{inode}]")


@pytest.mark.parametrize(
    ("program", "owner"),
    [
        (b"shop", "shop"),
        (b"a\xff\n", "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
        (b"", "unknown"),
    ],
)
@pytest.mark.parametrize("way", ["process", "auto"])
def test_program_without_a_unit_is_named(host: Host, way: str, program: bytes, owner: str) -> None:
    """Whatever it calls itself; an empty label would be none."""
    add_process(host.tree.root, 30, program, 4711)
    host.change(replace(by(way), source="procfs"))
    snapshot = host.see(tcp=[listening(80), Printed(80, 1, states.CLOSE_WAIT, inode=4711)])
    assert owners_of(snapshot) == {owner: 1}


def test_processes_are_found_for_sockets_that_were_followed_without(host: Host) -> None:
    """As after a reload that asks for processes where units were enough before."""
    add_process(host.tree.root, 30, b"shop", 4711)
    host.change(replace(by("unit"), source="procfs"))
    rows = [listening(80), Printed(80, 1, states.CLOSE_WAIT, inode=4711)]
    assert owners_of(host.see(tcp=rows)) == {"unknown": 1}
    host.change(replace(by("process"), source="procfs"))
    found = owners_of(host.see())
    assert {name: number for name, number in found.items() if number} == {"shop": 1}
