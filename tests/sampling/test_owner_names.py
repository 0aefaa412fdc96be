"""A name is that of the outermost unit, container or pod; it outlasts a process and cannot be forged.

The layouts of systemd and of the engines are those of docs/owners.md, which is read here.
"""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sampling import owner_names
from exporter.sampling.owner_names import name_owner
from tests.support.daemon import ROOT

DOCUMENT = (ROOT / "docs" / "owners.md").read_text()

ID = b"0123456789abcdef" * 4
OTHER_ID = ID[::-1]
UID = b"6f9619ff-8b86-d011-b42d-00c04fc964ff"
UNDERSCORED = UID.replace(b"-", b"_")
PLACEHOLDERS = {
    "<id>": ID,
    "<other>": OTHER_ID,
    "<pod>": UID,
    "<p_o_d>": UNDERSCORED,
    "<uuid>": UID,
    "<hex>": ID[:32],
}
LAYOUTS = re.findall(r"^\| ([^|]+) \| `(/[^`]+)` \| `([^`]+)` \|", DOCUMENT, re.MULTILINE)

USER = b"/user.slice/user-1000.slice/user@1000.service"
DELEGATED = b"/system.slice/ci-runner.service"
POD_SLICE = b"kubepods-burstable-pod" + UNDERSCORED + b".slice"
FORGED = [
    b"sshd.service",
    b"system.slice/sshd.service",
    b"init.scope",
    b"run-u1.service",
    b"session-1.scope",
    b"user.slice/user-0.slice/session-1.scope",
    b"user.slice/user-0.slice/user@0.service/a.service",
    b"user@0.service/a.service",
    b"docker-%b.scope" % ID,
    b"docker/%b" % ID,
    b"docker.service/docker/%b" % ID,
    b"system.slice:docker:%b" % ID,
    b"machine.slice/libpod-%b.scope" % ID,
    b"libpod-payload-%b" % ID,
    b"libpod_parent/libpod-%b" % ID,
    b"%b.service" % ID,
    b"cri-containerd-%b.scope" % ID,
    b"default/%b" % ID,
    b"nerdctl-%b.scope" % ID,
    b"crio-%b.scope" % ID,
    b"kata_overhead/%b" % ID,
    b"ecs/task/%b" % ID,
    ID,
    b"kubepods.slice/kubepods-burstable.slice/%b/cri-containerd-%b.scope" % (POD_SLICE, ID),
    b"%b:cri-containerd:%b" % (POD_SLICE, ID),
    b"kubepods/burstable/pod%b/%b" % (UID, ID),
    b"containerd.service/%b:cri-containerd:%b" % (POD_SLICE, ID),
    b"system.slice/k3s.service/kubepods/pod%b/%b" % (UID, ID),
    b"lxc/web",
    b"lxc.payload/web",
    b"lxc.payload.web",
    rb"machine-qemu\x2d1\x2dvm1.scope",
    b"machine/qemu-1-vm1.libvirt-qemu",
    b"qemu.slice/100.scope",
    b"nomad.slice/share.slice/%b.web.scope" % UID,
    b"nomad/%b.web" % UID,
    b"slurmstepd.scope/job_1/step_0",
    b"slurm/uid_0/job_1",
    b"garden/web",
    b"mesos/%b" % UID,
    b"openrc.nginx",
    b"rc/nginx",
    b"wsl-user/distro-1/systemd/system.slice/sshd.service",
    b"..",
    b"../sshd.service",
]


def expand(text: str) -> bytes:
    """Return a path of the document with ids in it."""
    path = text.encode()
    for placeholder, value in PLACEHOLDERS.items():
        path = path.replace(placeholder.encode(), value)
    return path


@pytest.mark.parametrize(("path", "owner"), [pytest.param(*row[1:], id=row[0]) for row in LAYOUTS])
def test_layout_of_the_document(path: str, owner: str) -> None:
    assert owner == name_owner(expand(path))


def test_every_row_of_the_document_is_read() -> None:
    assert len(LAYOUTS) == len(re.findall(r"^\| .*`/.*\|$", DOCUMENT, re.MULTILINE)) > 90
    assert not {part for _, path, _ in LAYOUTS for part in re.findall("<.+?>", path)} - PLACEHOLDERS.keys()


def test_services_of_engines_are_those_of_the_document() -> None:
    (named,) = re.findall(r"<!-- services -->(.*)<!-- /services -->", DOCUMENT, re.DOTALL)
    services = {name.decode().removesuffix(".service") for name in owner_names.ENGINE_SERVICES}
    assert services == set(re.findall("`(.+?)`", named))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"", None),
        (b"/", None),
        (b"/..", None),
        # cgroup_namespaces(7): what is outside the reader's own namespace begins with "..".
        (b"/../nginx.service", "nginx.service"),
        (b"/../%b" % ID, "container:0123456789ab"),
        (b"/../../%b/cri-containerd-%b.scope" % (POD_SLICE, ID), "pod:6f9619ff"),
        (b"/../libpod-payload-%b" % ID, "podman:0123456789ab"),
        # systemd before 205.
        (b"/system/nginx.service", "nginx.service"),
        (b"/system", "system"),
        # systemd.socket(5): IPv6, vsock, unix sockets as versions of systemd name them; addresses before 207.
        (b"/system.slice/a@0-2001:db8::1:22-2001:db8::2:5000.service", "a@.service"),
        (b"/system.slice/a@0-3:1024-2:4711.service", "a@.service"),
        (b"/system.slice/a@5-unknown.service", "a@.service"),
        (b"/system.slice/a@5-4711-1000.service", "a@.service"),
        (b"/system.slice/a@5-99-4711-1000.service", "a@.service"),
        (b"/system.slice/a@5-192.0.2.1-22-192.0.2.2-5000.service", "a@.service"),
        # What an administrator counts is kept.
        (b"/system.slice/redis@6379.service", "redis@6379.service"),
        (b"/system.slice/openvpn@2-backup.service", "openvpn@2-backup.service"),
        (b"/system.slice/a@1-2.service", "a@1-2.service"),
        (b"/system.slice/web-2.service", "web-2.service"),
        (b"/system.slice/run-lock.mount", "run-lock.mount"),
        (b"/system.slice/run-parts.service", "run-parts.service"),
        # machinectl(1), cockpit-tls(8): random instances.
        (
            b"/system.slice/system-container\\x2dshell.slice/container-shell@3.service",
            "container-shell@.service",
        ),
        (b"/system.slice/cockpit-wsinstance-https@%b.service" % ID, "cockpit-wsinstance-https@.service"),
        # systemd.unit(5): what was escaped; a slash stays so.
        (rb"/system.slice/a\x20b\x40c.service", "a b@c.service"),
        (rb"/system.slice/user\x2d0\x2fa.service", r"user-0\x2fa.service"),
        # Transient scopes: kitty, buildah, Podman, apptainer, VTE, applications with a version.
        (USER + b"/app.slice/kitty-4711-0.scope", "user-1000/kitty"),
        (USER + b"/user.slice/crun-buildah-buildah1234567.scope", "user-1000/crun-buildah"),
        (USER + b"/user.slice/podman-pause-1f2e3d4c.scope", "user-1000/podman-pause"),
        (USER + b"/user.slice/apptainer-4711.scope", "user-1000/apptainer"),
        (USER + b"/app.slice/app-org.gnome.Terminal.slice/vte-spawn-%b.scope" % UID, "user-1000/vte-spawn"),
        (USER + b"/app.slice/app-gimp-2.10-4711.scope", "user-1000/app-gimp-2.10"),
        (rb"/user.slice/app.slice/app-gnome-fire\x2dfox-4711.scope", "app-gnome-fire-fox"),
        # The user's manager and slices.
        (USER, "user-1000"),
        (USER + b"/app.slice", "user-1000/app"),
        (b"/user.slice/user-1000.slice", "user-1000"),
        # A scope that is not Nomad's.
        (b"/shop.slice/%b.web.scope" % UID, UID.decode() + ".web"),
        # An engine's service without a container; a folder in a service that is no engine's.
        (b"/system.slice/docker.service", "docker.service"),
        (b"/system.slice/docker.service/init", "docker.service"),
        (b"/system.slice/gitlab.service/docker/%b" % ID, "gitlab.service"),
        (b"/kuberuntime.slice/containerd.service/%b:cri-containerd:%b" % (POD_SLICE, ID), "pod:6f9619ff"),
        # Folders of engines with nothing in them, and names of one's own choice.
        (b"/docker", "docker"),
        (b"/docker/web", "docker:web"),
        (b"/kubepods/burstable", "kubepods"),
        (b"/libpod_parent/conmon", "libpod_parent"),
        (b"/slurm/uid_1000", "slurm"),
        (b"/system.slice/slurmstepd.scope/system", "slurmstepd"),
        (b"/machine.slice/machine-qemu.scope", "machine:qemu"),
        # Suffixes alone.
        (b"/.scope", ".scope"),
        (b"/.slice", ".slice"),
        (b"/.service", ".service"),
        (b"/a.slice/.slice/x.service", "x.service"),
        (b"/\xff\n", "\N{REPLACEMENT CHARACTER}" * 2),
        (b"/" + b"x" * 300, "x" * 64),
    ],
)
def test_name(path: bytes, expected: str | None) -> None:
    assert expected == name_owner(path)


@pytest.mark.parametrize(
    ("below", "owner"),
    [
        (DELEGATED, "ci-runner.service"),
        (b"/user.slice/user-1000.slice/session-3.scope", "user-1000"),
        (b"/system.slice/docker-%b.scope" % OTHER_ID, "docker:fedcba987654"),
        (b"/docker/%b" % OTHER_ID, "docker:fedcba987654"),
        (b"/kubepods/pod%b/%b" % (b"0" + UID[1:], OTHER_ID), "pod:0f9619ff"),
        (
            b"/system.slice/k3s.service/%b:cri-containerd:%b" % (POD_SLICE.replace(b"6", b"0"), ID),
            "pod:0f9019ff",
        ),
        (b"/lxc.payload.mail", "lxc:mail"),
        (b"/machine.slice/machine-mail.scope", "machine:mail"),
        (b"/nomad.slice/share.slice/%b.mail.scope" % UID, "nomad:mail"),
        (b"/system.slice/slurmstepd.scope/job_2/step_0/user", "slurm:2"),
        (b"/openrc.mail", "mail"),
    ],
)
def test_what_is_made_below_gets_no_other_name(below: bytes, owner: str) -> None:
    named = {forged: name_owner(below + b"/" + forged) for forged in FORGED}
    assert dict.fromkeys(FORGED, owner) == named


def test_what_a_user_makes_is_the_user_s() -> None:
    names = {name_owner(USER + b"/" + forged) for forged in FORGED} - {"user-1000"}
    assert [name for name in names if not (name and name.startswith("user-1000/"))] == []


PARTS = [
    *(
        b"a.service",
        b"lxc.payload.",
        b"docker",
        b".scope",
        b"session-1.scope",
        b".slice",
        rb"\x2d",
        b"x" * 99,
    ),
    *(
        b"user@0.service",
        b"kubepods",
        b"machine-.scope",
        b"containerd.service",
        b"c1",
        b"system",
        b"rc",
        b"ecs",
    ),
    *(
        ID,
        UID,
        b"pod" + UID,
        POD_SLICE,
        b"a.slice:b:c",
        b"nomad.slice",
        b"slurmstepd.scope",
        b"job_1",
        b"default",
    ),
]
PATHS = st.binary(max_size=300) | st.lists(st.sampled_from(PARTS) | st.binary(max_size=9), max_size=6).map(
    b"/".join
)


@given(PATHS)
def test_any_path_has_a_short_printable_name_or_none(path: bytes) -> None:
    name = name_owner(path)
    assert (name is None) == (set(path.split(b"/")) <= {b"", b".."})
    assert name is None or (0 < len(name) <= 64 and name.isprintable())


@given(PATHS)
def test_only_a_user_s_names_have_a_slash(path: bytes) -> None:
    below, above = name_owner(b"/a.service/" + path), name_owner(USER + b"/" + path)
    assert below == "a.service"
    assert above == "user-1000" or (above is not None and above.startswith("user-1000/"))
    name = name_owner(path)
    assert name is None or "/" not in name or re.match(r"user-[0-9]+/", name)


@pytest.mark.parametrize(
    "part", [b"x" * 255, b"@1" * 127, b"1-" * 127, b"a:1-" * 63, b"a.slice:" * 31, b"0" * 255]
)
@pytest.mark.parametrize("suffix", [b"", b".service", b".scope", b".slice"])
def test_no_path_takes_long(part: bytes, suffix: bytes) -> None:
    """A path has 4,096 bytes at most; what a user can make must not take a search's time."""
    started = time.process_time()
    for _ in range(10):
        name_owner(b"/".join([part[: 255 - len(suffix)] + suffix] * 16))
    assert time.process_time() - started < 0.5
