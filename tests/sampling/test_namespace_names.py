"""A network namespace has the name of what runs in it, which nobody inside can forge."""

from pathlib import Path

import pytest

from exporter.kernel.pods import Pod
from exporter.kernel.procfs import Procfs
from exporter.sampling.namespace_names import NamespaceName, name_namespace
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
    return name_namespace(Procfs(str(root)), 7, PODS)


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
    found = name_namespace(Procfs(str(tmp_path)), 7, {UID: long})
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
    assert name_namespace(Procfs(str(tmp_path)), 7, {}).netns == expected
