"""A network namespace has the name of what runs in it, which nobody inside can forge."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.kernel.pods import Pod
from exporter.kernel.procfs import Procfs
from exporter.sampling.namespace_names import GivenNames, NamespaceName, name_namespace
from exporter.sampling.reading.finding import FoundNamespace
from tests.support.namespaces_tree import NamespacesTree

UID = "0b1c2d3e-1111-2222-3333-444455556666"
ID = "0123456789abcdef" * 4
PODS = {UID: Pod("shop", "web-7c9d")}
ESCAPED = UID.replace("-", "_")
SLICE = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{ESCAPED}.slice"


def name(root: Path, cgroup: str, program: str = "sleep") -> NamespaceName:
    """Return the name of a namespace whose process is in a cgroup."""
    tree = NamespacesTree(root)
    tree.add_process(7, tree.add_namespace(), cgroup, program)
    return name_first(root, 7, pods=PODS)


def name_first(
    root: Path, *pids: int, pods: Mapping[str, Pod] | None = None, netns: Mapping[int, bytes] | None = None
) -> NamespaceName:
    """Return the name of a namespace that has these processes."""
    procfs = Procfs(str(root))
    found = FoundNamespace(1, procfs.find_namespace(pids[0]) or 0, pids)
    return name_namespace(procfs, found, GivenNames(pods or {}, netns or {}))


@pytest.mark.parametrize(
    "cgroup",
    [
        f"{SLICE}/cri-containerd-{ID}.scope",
        f"/kubepods/burstable/pod{UID}/{ID}",
        f"/system.slice/containerd.service/kubepods-burstable-pod{ESCAPED}.slice:cri-containerd:{ID}",
        f"/../../kubepods-burstable-pod{ESCAPED}.slice/cri-containerd-{ID}.scope",
        f"/../../pod{UID}/{ID}",
        f"/../../../burstable/pod{UID}/{ID}",
    ],
)
def test_pods(tmp_path: Path, cgroup: str) -> None:
    """Also as the exporter sees its neighbours from a cgroup namespace of its own."""
    assert name(tmp_path, cgroup)[:4] == ("shop/web-7c9d", "shop", "web-7c9d", "pod:0b1c2d3e")


def test_a_pod_without_a_folder_has_its_uid(tmp_path: Path) -> None:
    found = name(tmp_path, SLICE.replace("0b1c2d3e", "ffffffff"))
    assert found == ("pod:ffffffff", "", "", "pod:ffffffff", True)


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        (f"/system.slice/docker-{ID}.scope", "docker:0123456789ab"),
        (f"/machine.slice/libpod-{ID}.scope/container", "podman:0123456789ab"),
        (f"/system.slice/web.service/libpod-payload-{ID}", "web.service"),
        ("/machine.slice/machine-web.scope/payload", "machine:web"),
        ("/lxc.payload.web/init.scope", "lxc:web"),
        ("/system.slice/vpn.service", "vpn.service"),
    ],
)
def test_containers_machines_and_units(tmp_path: Path, cgroup: str, expected: str) -> None:
    assert name(tmp_path, cgroup)[:4] == (expected, "", "", expected)


@pytest.mark.parametrize(
    "cgroup",
    [
        f"/user.slice/user-1000.slice/user@1000.service/kubepods-pod{ESCAPED}.slice/x.scope",
        f"/system.slice/ci-runner.service/kubepods/pod{UID}/{ID}",
        f"/system.slice/ci-runner.service/../../pod{UID}/{ID}",
    ],
)
def test_a_cgroup_that_calls_itself_a_pod_names_none(tmp_path: Path, cgroup: str) -> None:
    assert name(tmp_path, cgroup)[1:3] == ("", "")


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("shop/web", "process:shop_web"),
        ("podman:web", "process:podman_web"),
        ("a\nb\x1b", "process:a_b_"),
        ("", "process:"),
    ],
)
def test_a_program_in_the_root_cgroup_cannot_take_another_name(
    tmp_path: Path, program: str, expected: str
) -> None:
    assert name(tmp_path, "/", program).netns == expected


def test_names_are_bounded(tmp_path: Path) -> None:
    long = Pod("n" * 63, "p" * 253)
    tree = NamespacesTree(tmp_path)
    tree.add_process(7, tree.add_namespace(), f"{SLICE}/x.scope")
    found = name_first(tmp_path, 7, pods={UID: long})
    assert (len(found.netns), len(found.namespace), len(found.pod)) == (128, 63, 64)


@pytest.mark.parametrize(
    ("arguments", "cgroup", "expected"),
    [
        (f"conmon -c {ID} -n web -x", f"/machine.slice/libpod-conmon-{ID}.scope", "podman:web"),
        (f"conmon -c {ID} -n web", "/libpod_parent/conmon", "podman:web"),
        (f"conmon -c {ID} -n web", "/user.slice/session-1.scope", "podman:0123456789ab"),
        (f"conmon -c {'f' * 64} -n web", f"/machine.slice/libpod-conmon-{ID}.scope", "podman:0123456789ab"),
        (f"conmon -c {ID} -n ../web", f"/machine.slice/libpod-conmon-{ID}.scope", "podman:0123456789ab"),
        (f"conmon -c {ID}", f"/machine.slice/libpod-conmon-{ID}.scope", "podman:0123456789ab"),
        (f"conmon -c {ID} -n web -y -n evil", f"/machine.slice/libpod-conmon-{ID}.scope", "podman:web"),
    ],
)
def test_only_its_monitor_names_a_container_of_podman(
    tmp_path: Path, arguments: str, cgroup: str, expected: str
) -> None:
    tree = NamespacesTree(tmp_path)
    tree.add_process(7, tree.add_namespace(), f"/machine.slice/libpod-{ID}.scope/container")
    monitor = tmp_path / "1"
    (monitor / "cgroup").write_text(f"0::{cgroup}\n")
    (monitor / "cmdline").write_text(arguments.replace(" ", "\0"))
    assert name_first(tmp_path, 7).netns == expected


def add_named(root: Path, number: int | None, cgroup: str = "/system.slice/vpn.service") -> NamespacesTree:
    """Make process 7 in a namespace of this number, or one that we may not know."""
    tree = NamespacesTree(root)
    folder = tree.add_process(7, tree.add_namespace(), cgroup)
    link_namespace(folder, number)
    return tree


def link_namespace(folder: Path, number: int | None) -> None:
    """Make what says which namespace a process is in, if it can be read."""
    (folder / "ns").mkdir()
    if number is not None:
        (folder / "ns" / "net").symlink_to(f"net:[{number}]")


@pytest.mark.parametrize(
    ("number", "cgroup", "expected"),
    [
        (5, "/system.slice/vpn.service", "blue"),
        (5, "/", "blue"),
        (5, "/user.slice/user-1000.slice/session-1.scope", "blue"),
        (6, "/system.slice/vpn.service", "vpn.service"),
        (None, "/system.slice/vpn.service", "vpn.service"),
        (5, f"{SLICE}/cri-containerd-{ID}.scope", "shop/web-7c9d"),
        (5, SLICE.replace("0b1c2d3e", "ffffffff"), "pod:ffffffff"),
        (5, f"/system.slice/docker-{ID}.scope", "docker:0123456789ab"),
        (5, f"/system.slice/containerd.service/system.slice:docker:{ID}", "docker:0123456789ab"),
        (5, f"/user.slice/user-1.slice/user@1.service/libpod-{ID}.scope", "user-1/podman:0123456789ab"),
    ],
)
def test_what_ip_netns_knows_has_that_name_unless_an_engine_named_it(
    tmp_path: Path, number: int | None, cgroup: str, expected: str
) -> None:
    add_named(tmp_path, number, cgroup)
    found = name_first(tmp_path, 7, pods=PODS, netns={5: b"blue"})
    assert found.netns == expected
    assert found.owner == name_first(tmp_path, 7, pods=PODS).owner


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (b"cni-" + UID.encode(), "vpn.service"),
        (b"netns-" + UID.encode(), "vpn.service"),
        (UID.encode(), "vpn.service"),
        (b"qrouter-" + UID.encode(), f"qrouter-{UID}"),  # of OpenStack, which lasts
        (b"a b\n\xff", "a b\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
        (b"n" * 255, "n" * 128),
    ],
)
def test_names_of_ip_netns_last_and_are_clean(tmp_path: Path, given: bytes, expected: str) -> None:
    add_named(tmp_path, 5)
    assert name_first(tmp_path, 7, netns={5: given}).netns == expected


def test_one_member_that_may_be_asked_is_enough(tmp_path: Path) -> None:
    tree = add_named(tmp_path, None)
    link_namespace(tree.add_process(8, (tmp_path / "7" / "net").resolve()), 5)
    assert name_first(tmp_path, 7, 8, netns={5: b"blue"}).netns == "blue"


def test_a_member_that_has_left_gives_no_name(tmp_path: Path) -> None:
    tree = add_named(tmp_path, None)
    link_namespace(tree.add_process(8, tree.add_namespace()), 5)
    assert name_first(tmp_path, 7, 8, netns={5: b"blue"}).netns == "vpn.service"
