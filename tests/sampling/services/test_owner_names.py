"""A name is that of a unit, a container or a pod, and lasts longer than a process where it can."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sampling.services.owner_names import name_owner

ID = b"0123456789abcdef" * 4
UID = b"6f9619ff-8b86-d011-b42d-00c04fc964ff"
UNDERSCORED = UID.replace(b"-", b"_")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/", None),
        (b"/..", None),
        (b"/init.scope", "init"),
        (b"/system.slice", "system"),
        (b"/system.slice/nginx.service", "nginx.service"),
        (b"/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"),
        (rb"/system.slice/my\x2dshop.service", "my-shop.service"),
        (b"/system.slice/gitlab.service/worker", "gitlab.service"),
        (b"/system.slice/sshd@7-192.0.2.1:22-192.0.2.2:50000.service", "sshd@.service"),
        (b"/user.slice/user-1000.slice/session-3.scope", "user-1000"),
        (b"/user.slice/user-1000.slice/session-c2.scope", "user-1000"),
        (b"/user.slice/user-1000.slice/user@1000.service/app.slice/agent.service", "user-1000/agent.service"),
        (b"/user.slice/user-1000.slice/user@1000.service/init.scope", "user-1000/init"),
        (rb"/user.slice/app.slice/app-gnome-fire\x2dfox-4711.scope", "app-gnome-fire-fox"),
        (b"/user.slice/tmux-spawn-%b.scope" % UID, "tmux-spawn"),
        (b"/system.slice/docker-%b.scope" % ID, "docker:0123456789ab"),
        (b"/docker/%b" % ID, "docker:0123456789ab"),
        (b"/docker/web", "docker:web"),
        (b"/docker/%b/system.slice/nginx.service" % ID, "docker:0123456789ab"),
        (b"/machine.slice/libpod-%b.scope/container" % ID, "podman:0123456789ab"),
        (b"/machine.slice/libpod_pod_%b.slice/libpod-%b.scope" % (ID[::-1], ID), "podman:0123456789ab"),
        (b"/system.slice/cri-containerd-%b.scope" % ID, "containerd:0123456789ab"),
        (b"/ecs/task/%b" % ID, "container:0123456789ab"),
        (b"/lxc/mail", "lxc:mail"),
        (b"/lxc.payload.mail/system.slice/postfix.service", "lxc:mail"),
        (rb"/machine.slice/machine-build\x2d2.scope", "machine:build-2"),
        (
            b"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod%b.slice/cri-containerd-%b.scope"
            % (UNDERSCORED, ID),
            "pod:6f9619ff",
        ),
        (b"/kubepods/besteffort/pod%b/%b" % (UID, ID), "pod:6f9619ff"),
        (b"/leaky", "leaky"),
        (b"/\xff\n", "\N{REPLACEMENT CHARACTER}" * 2),
    ],
)
def test_name(path: bytes, expected: str | None) -> None:
    assert expected == name_owner(path)


PARTS = [
    b"a.service",
    b"lxc.payload.",
    b"docker",
    b".scope",
    b"session-1.scope",
    b".slice",
    rb"\x2d",
    b"x" * 99,
]


@given(st.binary(max_size=300) | st.lists(st.sampled_from(PARTS), max_size=4).map(b"/".join))
def test_any_path_has_a_short_printable_name_or_none(path: bytes) -> None:
    name = name_owner(path)
    assert name is None or (len(name) <= 64 and name.isprintable())
