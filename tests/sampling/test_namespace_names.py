"""A network namespace has the name of what runs in it, which nobody inside can forge."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.kernel.pods import Pod
from exporter.kernel.procfs import Procfs
from exporter.sampling.namespace_names import GivenNames, NamespaceName, group_owners, name_namespace
from exporter.sampling.reading.namespace_finder import FoundNamespace
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
    name = name_namespace(procfs, found, GivenNames(pods or {}, netns or {}))
    assert name is not None
    return name


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


def move(tree: NamespacesTree, pid: int) -> None:
    """Let a number be that of a process in the host's own namespace."""
    (tree.root / str(pid) / "net").unlink()
    (tree.root / str(pid) / "net").symlink_to(tree.host)


def test_a_process_whose_number_is_another_s_by_now_names_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = NamespacesTree(tmp_path)
    net = tree.add_namespace()
    tree.add_process(7, net, "/system.slice/sshd.service")
    tree.add_process(8, net, "/user.slice/user-1000.slice/session-1.scope")
    found = FoundNamespace(1, (net / "tcp").stat().st_ino, (7, 8))
    procfs, given = Procfs(str(tmp_path)), GivenNames({}, {})
    read = Procfs.read_process

    def read_and_move(procfs: Procfs, process: str, name: str) -> bytes | None:
        text = read(procfs, process, name)
        if name == "cgroup":
            move(tree, int(process))
        return text

    first = name_namespace(procfs, found, given)
    assert first is not None
    assert first.netns == "sshd.service"
    move(tree, 7)
    second = name_namespace(procfs, found, given)
    assert second is not None
    assert second.netns == "user-1000"
    monkeypatch.setattr(Procfs, "read_process", read_and_move)
    assert name_namespace(procfs, found, given) is None


def test_a_path_that_the_kernel_does_not_give_is_no_reason_to_hide(tmp_path: Path) -> None:
    """It is too long for it where somebody nested cgroups so deep: ENAMETOOLONG."""
    tree = NamespacesTree(tmp_path)
    folder = tree.add_process(7, tree.add_namespace())
    (folder / "cgroup").unlink()
    (folder / "cgroup").mkdir()  # cannot be read either
    assert name_first(tmp_path, 7)[:4] == ("unknown", "", "", "unknown")


@pytest.mark.parametrize(
    "text", [b"x" * 3_000_000, b"0::/" + b"a/" * 1_500_000 + b"\n", b"0::/\xff\x00\n" * 9]
)
def test_a_cgroup_of_megabytes_or_odd_bytes_has_a_short_name(tmp_path: Path, text: bytes) -> None:
    tree = NamespacesTree(tmp_path)
    (tree.add_process(7, tree.add_namespace()) / "cgroup").write_bytes(text)
    name = name_first(tmp_path, 7).netns
    assert len(name) <= 64
    assert name.isprintable()


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        ("user-1000/app.service", "user-1000"),
        ("user-1000", "user-1000"),
        ("process:a", "process"),
        ("docker:0123456789ab", "docker:0123456789ab"),
        ("web.service", "web.service"),
    ],
)
def test_a_user_is_one_owner_whatever_he_names(owner: str, expected: str) -> None:
    assert group_owners(owner) == expected


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
