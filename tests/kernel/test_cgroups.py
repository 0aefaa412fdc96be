"""Paths are found by the inode numbers of real directories, wherever the tree is mounted."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
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
SIBLING = b"90 80 0:25 /../abc /host/abc ro - cgroup2 cgroup2 rw\n"
WHOLE = b"91 80 0:25 /../../.. /rootfs/of/the/host/sys/fs/cgroup ro - cgroup2 cgroup2 rw\n"

USER = "user.slice/user-1000.slice/user@1000.service"
POD = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-1.scope"


def lay_out(root: Path, mountinfo: bytes = b"") -> tuple[ProcfsTree, Path]:
    """Make a procfs, and the folder with a blank in its name of which it says that cgroups are there."""
    tree, mount = ProcfsTree(root / "proc"), root / "cgroup two"
    mount.mkdir()
    place = str(mount).replace(" ", r"\040").encode()
    (tree.root / "self" / "mountinfo").write_bytes(
        mountinfo or b"26 25 0:25 / %b rw shared:9 - cgroup2 cgroup2 rw\n" % place
    )
    return tree, mount


def make_cgroups(mount: Path, names: Iterable[str]) -> None:
    for name in names:
        (mount / name).mkdir(parents=True)


def walk_all(tree: ProcfsTree, mount: Path) -> list[bytes]:
    """Return the paths that a walk finds when all are wanted."""
    wanted = {os.stat(folder).st_ino for folder, _, _ in os.walk(mount)}
    return [found[1] for found in walk_cgroups(tree.procfs(), wanted) if found]


def walk_until(tree: ProcfsTree, wanted: Path) -> int:
    """Return the number of steps after which the wanted cgroup is found; fail where it never is."""
    walk: Iterator[tuple[int, bytes] | None] = walk_cgroups(tree.procfs(), {wanted.stat().st_ino})
    return next(steps for steps, found in enumerate(walk) if found and found[1] != b"/")


@pytest.mark.parametrize(
    ("mountinfo", "expected"),
    [
        (b"", None),
        (HYBRID, b"/sys/fs/cgroup/unified"),
        (BRANCH, b"/host/cgroup"),
        (BRANCH + HYBRID, b"/sys/fs/cgroup/unified"),
        (SIBLING + HYBRID, b"/sys/fs/cgroup/unified"),
        (HYBRID + WHOLE, b"/rootfs/of/the/host/sys/fs/cgroup"),
        (b"1 2 0:3 / /a\\040b\\134 rw - cgroup2 none rw\n", b"/a b\\"),
        (b"1 2 0:3 / /cgroup2 rw - tmpfs cgroup2 rw\n", None),
        (HYBRID.replace(b"cgroup2", b"cgroup"), None),
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
    expected = {mount.stat().st_ino: b"/", service.stat().st_ino: b"/system.slice/nginx.service"}
    wanted = {*expected, (mount / "cgroup.procs").stat().st_ino, (mount / "loop").lstat().st_ino}
    assert expected == dict(filter(None, walk_cgroups(tree.procfs(), wanted)))


def test_what_is_wanted_may_change_on_the_way(tmp_path: Path) -> None:
    tree, mount = lay_out(tmp_path)
    make_cgroups(mount, ["a.slice/b.service"])
    wanted = {mount.stat().st_ino}
    walk = walk_cgroups(tree.procfs(), wanted)
    assert next(walk) is not None
    wanted.add((mount / "a.slice/b.service").stat().st_ino)
    assert [found[1] for found in walk if found] == [b"/a.slice/b.service"]


@pytest.mark.parametrize("name", [b"\xff\xfe.service", b"a b\tc", b"-", b"\\x2d", b"x" * 255, b"'\"$(x)"])
def test_names_are_bytes_of_anybody_s_making(tmp_path: Path, name: bytes) -> None:
    tree, mount = lay_out(tmp_path)
    place = os.path.join(os.fsencode(mount), name)
    os.makedirs(os.path.join(place, name))
    wanted = {os.stat(place).st_ino, os.stat(os.path.join(place, name)).st_ino}
    found = {found[1] for found in walk_cgroups(tree.procfs(), wanted) if found}
    assert {b"/" + name, b"/" + name + b"/" + name} <= found


@pytest.mark.parametrize(
    ("number", "flood", "victim"),
    [
        pytest.param(2_050, f"{USER}/x%d.scope", POD, id="a user's cgroups, a pod"),
        pytest.param(2_050, f"{USER}/x%d.scope/y", POD, id="a user's cgroups with one in each, a pod"),
        pytest.param(
            2_050,
            f"{USER}/x%d.scope",
            "user.slice/user-1001.slice/user@1001.service/app.slice/agent.service",
            id="a user's cgroups, another user",
        ),
        pytest.param(
            2_050,
            "system.slice/ci-runner.service/x%d",
            "system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:1",
            id="a delegated unit's cgroups, another unit's",
        ),
    ],
)
def test_one_s_many_cgroups_hide_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, flood: str, victim: str
) -> None:
    """It is found at once, not after all of them; where directories do not count links, after one listing.

    They are more than twice as many as are seen of one cgroup.
    """
    monkeypatch.setattr(cgroups, "MAX_CHILDREN", 1_000)
    tree, mount = lay_out(tmp_path)
    make_cgroups(mount, (flood % each for each in range(number)))
    make_cgroups(mount, [victim])
    counts_links = tmp_path.stat().st_nlink > 1
    assert walk_until(tree, mount / victim) < (50 if counts_links else 50 + cgroups.MAX_CHILDREN)


def test_many_s_many_cgroups_hide_nobody(tmp_path: Path) -> None:
    """Where links are counted, it is known who has many before they are listed."""
    tree, mount = lay_out(tmp_path)
    if tmp_path.stat().st_nlink == 1:
        pytest.skip("directories do not count links here; try another TMPDIR, such as /dev/shm")
    make_cgroups(mount, (f"system.slice/{unit}.service/{each}" for unit in range(9) for each in range(200)))
    make_cgroups(mount, [victim := "system.slice/k3s.service/kubepods-pod1.slice:cri-containerd:1"])
    assert walk_until(tree, mount / victim) < 50
    assert len(list(walk_cgroups(tree.procfs(), ()))) == len(
        walk_all(tree, mount)
    )  # leaves take no step more


def test_many_crowded_cgroups_hide_nobody(tmp_path: Path) -> None:
    """One's cgroups count together, however they are spread."""
    tree, mount = lay_out(tmp_path)
    make_cgroups(mount, (f"{USER}/{a}/{b}/{c}" for a in range(20) for b in range(20) for c in range(20)))
    make_cgroups(mount, [*(f"kubepods.slice/p{number}.slice/c.scope" for number in range(200)), POD])
    assert walk_until(tree, mount / POD) < 1_500


def test_where_links_are_not_counted_all_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in btrfs, where every directory has one."""
    tree, mount = lay_out(tmp_path)
    make_cgroups(mount, [POD])
    monkeypatch.setattr(cgroups, "_count_links", lambda _entry: 1)
    assert walk_until(tree, mount / POD) < 10


def test_walk_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, mount = lay_out(tmp_path)
    make_cgroups(
        mount, (f"{number}.slice/sub.slice/{other}.slice" for number in range(10) for other in range(9))
    )
    monkeypatch.setattr(cgroups, "MAX_CGROUPS", 40)
    assert 40 < len(walk_all(tree, mount)) <= 40 + 10


def test_what_is_seen_of_one_cgroup_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, mount = lay_out(tmp_path)
    make_cgroups(mount, (f"a.slice/{number}" for number in range(100)))
    make_cgroups(mount, ["b.slice/sub.slice"])
    monkeypatch.setattr(cgroups, "MAX_CHILDREN", 10)
    assert len(walk_all(tree, mount)) == 1 + 2 + 10 + 1


def test_depth_is_bounded(tmp_path: Path) -> None:
    tree, mount = lay_out(tmp_path)
    make_cgroups(mount, ["/".join(["x"] * 200), POD])
    assert len(walk_all(tree, mount)) == 1 + 4 + cgroups.DEEPEST


def test_cgroup_that_goes_meanwhile_is_passed_over(tmp_path: Path) -> None:
    """Those beside it are not."""
    tree, mount = lay_out(tmp_path)
    make_cgroups(mount, ["a.slice/x", "b.slice/x", "c.slice/x"])
    wanted = {(mount / name / "x").stat().st_ino for name in ("a.slice", "b.slice", "c.slice")}
    walk = walk_cgroups(tree.procfs(), wanted)
    assert len(list(islice(walk, 2))) == 2
    (mount / "a.slice" / "x").rmdir()
    (mount / "a.slice").rmdir()
    assert {found[1] for found in walk if found} == {b"/b.slice/x", b"/c.slice/x"}


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
        (b"4:memory:/x\n1:name=systemd:/system.slice/b.service\n", b"/system.slice/b.service"),
        (b"1:name=systemd:/\n0::/c.service\n", b"/c.service"),
        (b"1:name=systemd:/docker/1\n0::/system.slice/containerd.service\n", b"/docker/1"),
        (b"2:name=openrc:/nginx\n1:pids:/\n0::/openrc.nginx\n", b"/nginx"),
        (b"0::/a:b c.service\n", b"/a:b c.service"),
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
