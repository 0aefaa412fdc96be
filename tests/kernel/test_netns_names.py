"""Names of ``ip netns`` are those of mounts that only root can make; nothing else in mountinfo is one."""

import os
from pathlib import Path

import pytest

from exporter.kernel.netns_names import find_netns_number, list_netns_names, parse_netns_names
from exporter.kernel.procfs import Procfs, ProcfsError
from tests.support.namespaces_tree import NamespacesTree

BLUE = b"43 42 0:4 net:[4026532177] /run/netns/blue rw shared:2 - nsfs nsfs rw\n"
OTHERS = b"""\
22 27 0:21 / /proc rw,relatime - proc proc rw
42 27 0:24 /netns /run/netns rw,nosuid shared:5 master:1 - tmpfs tmpfs rw,mode=755
"""


@pytest.mark.parametrize(
    ("mountinfo", "expected"),
    [
        (b"", {}),
        (OTHERS, {}),
        (OTHERS + BLUE + OTHERS, {4026532177: b"blue"}),
        (BLUE + BLUE, {4026532177: b"blue"}),
        (BLUE.rstrip(b"\n"), {4026532177: b"blue"}),
        (BLUE.replace(b" shared:2", b""), {4026532177: b"blue"}),
        (BLUE.replace(b" shared:2", b" shared:2 master:1"), {4026532177: b"blue"}),
        (BLUE.replace(b"/run", b"/var/run"), {4026532177: b"blue"}),
        (BLUE.replace(b"blue", b"a\\040b\\134\\012\\011"), {4026532177: b"a b\\\n\t"}),
        (BLUE.replace(b"blue", b"\xff\r"), {4026532177: b"\xff\r"}),
        (BLUE + BLUE.replace(b"blue", b"again"), {4026532177: b"blue"}),
        (BLUE + BLUE.replace(b"77", b"78"), {4026532177: b"blue", 4026532178: b"blue"}),
    ],
)
def test_names(mountinfo: bytes, expected: dict[int, bytes]) -> None:
    assert expected == parse_netns_names(mountinfo)


@pytest.mark.parametrize(
    ("part", "other"),
    [
        (b"net:[4026532177]", b"mnt:[4026532177]"),
        (b"net:[4026532177]", b"net:[]"),
        (b"net:[4026532177]", b"net:[-1]"),
        (b"net:[4026532177]", b"net:[%b]" % (b"9" * 5000)),
        (b"net:[4026532177]", b"/net:[4026532177]"),
        (b"/run/netns/blue", b"/run/docker/netns/blue"),
        (b"/run/netns/blue", b"/home/eve/run/netns/blue"),
        (b"/run/netns/blue", b"/run/netns/blue//deleted"),
        (b"/run/netns/blue", b"/run/netns/"),
        (b"- nsfs", b"- tmpfs"),
        (b"- nsfs nsfs rw", b"-"),
        (b" rw shared:2 - nsfs nsfs rw", b""),
        (b"43 42 0:4 ", b"43 "),
        (b" ", b"\n"),
    ],
)
def test_what_is_no_name_costs_no_other(part: bytes, other: bytes) -> None:
    damaged = BLUE.replace(part, other)
    green = BLUE.replace(b"blue", b"green").replace(b"77", b"78")
    assert parse_netns_names(damaged + b"\n" + green) == {4026532178: b"green"}


def test_they_are_those_of_process_1(tmp_path: Path) -> None:
    NamespacesTree(tmp_path)
    procfs = Procfs(str(tmp_path))
    assert list_netns_names(procfs) == {}
    (tmp_path / "1" / "mountinfo").write_bytes(BLUE)
    assert list_netns_names(procfs) == {4026532177: b"blue"}
    (tmp_path / "1" / "mountinfo").unlink()
    (tmp_path / "1" / "mountinfo").mkdir()
    with pytest.raises(ProcfsError, match="mountinfo: "):
        list_netns_names(procfs)


@pytest.mark.parametrize(
    ("link", "expected"),
    [("net:[5]", 5), ("mnt:[5]", None), ("net:[5] (deleted)", None), ("/dev/null", None), (None, None)],
)
def test_number_of_a_process(tmp_path: Path, link: str | None, expected: int | None) -> None:
    NamespacesTree(tmp_path)
    (tmp_path / "1" / "ns").mkdir()
    if link is not None:
        (tmp_path / "1" / "ns" / "net").symlink_to(link)
    assert expected == find_netns_number(Procfs(str(tmp_path)), 1)
    assert find_netns_number(Procfs(str(tmp_path)), 2) is None


def test_own_number_is_that_of_its_file() -> None:
    assert Path("/proc/self/ns/net").stat().st_ino == find_netns_number(Procfs(), os.getpid())
