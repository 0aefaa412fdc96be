"""Paths are found by the inode numbers of real directories, wherever the tree is mounted."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import cgroups
from exporter.kernel.cgroups import find_mount, parse_membership, walk_cgroups
from tests.support.procfs_tree import ProcfsTree

HYBRID = b"""\
25 31 0:24 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
26 25 0:25 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
27 25 0:26 / /sys/fs/cgroup/systemd rw,nosuid shared:10 master:3 - cgroup cgroup rw,xattr,name=systemd
"""
BRANCH = b"90 80 0:25 /docker/abc /host/cgroup ro - cgroup2 cgroup2 rw\n"


def lay_out(root: Path, mountinfo: bytes = b"") -> tuple[ProcfsTree, Path]:
    """Make a procfs, and the folder with a blank in its name of which it says that cgroups are there."""
    tree, mount = ProcfsTree(root / "proc"), root / "cgroup two"
    mount.mkdir()
    place = str(mount).replace(" ", r"\040").encode()
    (tree.root / "self" / "mountinfo").write_bytes(
        mountinfo or b"26 25 0:25 / %b rw shared:9 - cgroup2 cgroup2 rw\n" % place
    )
    return tree, mount


@pytest.mark.parametrize(
    ("mountinfo", "expected"),
    [
        (b"", None),
        (HYBRID, b"/sys/fs/cgroup/unified"),
        (BRANCH, b"/host/cgroup"),
        (BRANCH + HYBRID, b"/sys/fs/cgroup/unified"),
        (b"1 2 0:3 / /a\\040b\\134 rw - cgroup2 none rw\n", b"/a b\\"),
        (b"1 2 0:3 / /cgroup2 rw - tmpfs cgroup2 rw\n", None),
    ],
)
def test_mount(mountinfo: bytes, expected: bytes | None) -> None:
    assert expected == find_mount(mountinfo)


def test_wanted_cgroups_are_found(tmp_path: Path) -> None:
    """Files and links in the tree are none."""
    tree, mount = lay_out(tmp_path)
    service = mount / "system.slice" / "nginx.service"
    service.mkdir(parents=True)
    (mount / "cgroup.procs").touch()
    (mount / "loop").symlink_to(mount)
    wanted = {mount.stat().st_ino: b"/", service.stat().st_ino: b"/system.slice/nginx.service"}
    walked = list(walk_cgroups(tree.procfs(), wanted.keys()))
    assert wanted == dict(filter(None, walked))
    assert walked.count(None) == 1


def test_walk_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, mount = lay_out(tmp_path)
    for index in range(10):
        (mount / f"{index}.slice" / "sub.slice").mkdir(parents=True)
    monkeypatch.setattr(cgroups, "MOST_CGROUPS", 5)
    assert len(list(walk_cgroups(tree.procfs(), ()))) == 11


def test_cgroup_that_goes_meanwhile_is_passed_over(tmp_path: Path) -> None:
    tree, mount = lay_out(tmp_path)
    (mount / "gone.slice").mkdir()
    walk = walk_cgroups(tree.procfs(), ())
    next(walk)
    next(walk)
    (mount / "gone.slice").rmdir()
    assert list(walk) == []


def test_without_a_tree_nothing_is_found(tmp_path: Path) -> None:
    tree, _ = lay_out(tmp_path, HYBRID.replace(b"cgroup2", b"cgroup3"))
    assert list(walk_cgroups(tree.procfs(), {1})) == []
    (tree.root / "self" / "mountinfo").unlink()
    assert list(walk_cgroups(tree.procfs(), {1})) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"0::/system.slice/a.service\n", b"/system.slice/a.service"),
        (b"4:memory:/x\n1:name=systemd:/system.slice/b.service\n0::/\n", b"/system.slice/b.service"),
        (b"1:name=systemd:/b.service\n0::/c.service\n", b"/c.service"),
        (b"4:memory:/x\n0::/\n", b"/"),
        (b"", b"/"),
    ],
)
def test_membership(text: bytes, expected: bytes) -> None:
    assert expected == parse_membership(text)


@given(st.binary(max_size=200))
def test_any_text_is_read(text: bytes) -> None:
    assert find_mount(text) is None
    assert parse_membership(text).startswith(b"/")
