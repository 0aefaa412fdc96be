"""What most tests of the sampling begin with."""

from pathlib import Path

import pytest

from exporter.sampling import sampler as sampler_module
from exporter.sampling.sampler import Sampler
from tests.support.procfs_tree import ProcfsTree
from tests.support.sampling.host import Clock, Host, lay_out
from tests.support.sampling.netlink import Netlink, OwnProcfs
from tests.support.sampling.settings import NAMES, SETTINGS


@pytest.fixture
def tree(tmp_path: Path) -> ProcfsTree:
    """Lay out a procfs."""
    return lay_out(tmp_path)


@pytest.fixture
def sampler(tree: ProcfsTree) -> Sampler:
    """Return a sampler of it."""
    return Sampler(tree.procfs(), SETTINGS, NAMES)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let passes be dated by a clock of the test's own."""
    clock = Clock()
    monkeypatch.setattr(sampler_module, "time", clock)
    return clock


@pytest.fixture
def host(tree: ProcfsTree, clock: Clock) -> Host:
    """Return a host whose tables, of procfs alone, are the test's."""
    return Host(tree, clock)


@pytest.fixture
def netlink(monkeypatch: pytest.MonkeyPatch) -> Netlink:
    """Answer over netlink in the kernel's place."""
    netlink = Netlink()
    netlink.install(monkeypatch)
    return netlink


@pytest.fixture
def netlink_host(tree: ProcfsTree, clock: Clock, netlink: Netlink) -> Host:
    """Return a host that is read over netlink as well."""
    del netlink
    return Host(tree, clock, procfs=OwnProcfs(str(tree.root)))
