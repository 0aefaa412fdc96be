"""Turn the path of a cgroup into the name of a unit, a container or a pod: short, and stable over restarts.

The owner is the outermost unit or container that the host's own manager made. Names cannot be forged:

1. Only root makes cgroups at the root of the tree and in slices. The first part of a path that is no slice
   gives the name, or a slice above it that is a pod's.
2. What is below that part is ignored: a unit with Delegate=, or a container, makes what it likes there.
3. Services of engines (``containerd.service``, ``k3s.service`` and so on) are an exception. Where the drivers
   of engine and kubelet do not agree, pods and containers are below them. These services run as root and let
   nobody else make cgroups directly below, and whoever gives them orders is as good as root. So the first
   part below them is read like one at the root.
4. Below ``user@UID.service`` the user's own manager gives the names: they begin with ``user-UID/``, by the
   same rules. No other name has a slash.

Sources: systemd.slice(5), systemd.unit(5), systemd.socket(5), systemd-run(1). docs/owners.md has a table.
"""

import re
from functools import lru_cache
from typing import Final

from exporter.sampling.container_names import find_container, find_pod, unescape
from exporter.sampling.labels import label_value

_NAMES_KEPT: Final = 4096  # the same paths are named in every pass
_UUID: Final = rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_USER_MANAGER: Final = re.compile(rb"user@([0-9]+)\.service")
_SESSION: Final = re.compile(rb"session-\w+\.scope|c?[0-9]{1,9}")  # logind's, elogind's
_OPENRC: Final = re.compile(rb"(?:openrc\.|rc/)([^/]+)")
_NEIGHBOUR: Final = re.compile(rb"(?:(?:guaranteed|burstable|besteffort)/)?pod[0-9a-f]{8}[-_0-9a-f]{24,28}/")
_WSL: Final = re.compile(rb"wsl-user/[^/]+/systemd/")  # where its init puts that of a distribution

_CHANGES: Final = tuple(
    (re.compile(pattern), lasting)
    for pattern, lasting in (
        # systemd-run without a name.
        (rb"run-(?:u?[0-9]+|r[0-9a-f]{32}|p[0-9]+-i[0-9]+)\.(?:service|scope)", b"run"),
        # A connection of a socket with Accept=yes: a number, and addresses with ports or credentials.
        (rb"(.+)@[0-9]+-[^@]+:[0-9]+-[^@]+:[0-9]+\.service", rb"\1@.service"),
        (rb"(.+)@[0-9]+(?:-[0-9.]+)*-(?:unknown|[0-9.]+-[0-9]+)\.service", rb"\1@.service"),
        (rb"(container-shell)@[0-9]+\.service", rb"\1@.service"),
        (rb"(.+)@(?:%b|[0-9a-f]{32}|[0-9a-f]{64})\.service" % _UUID, rb"\1@.service"),
        (rb"(app-.+)@[0-9a-f]{8,}\.service", rb"\1@.service"),
        (rb"dbus-:[0-9.]+-(.+)@[0-9]+\.service", rb"dbus-\1@.service"),
        # A check of a container's health.
        (rb"([0-9a-f]{12})[0-9a-f]{52}(?:-[0-9a-f]+)?\.service", rb"podman:\1"),
        (rb"(podman-pause)-[0-9a-f]+\.scope", rb"\1"),
        (rb"(.+?)(?:(?:-[0-9]+)+|[-.@](?:%b|[0-9a-f]{32})|-buildah[0-9]+)\.scope" % _UUID, rb"\1"),
        (rb"(.+)\.(?:scope|slice)", rb"\1"),
    )
)
ENGINE_SERVICES: Final = frozenset(
    b"%b.service" % name
    for name in (
        *(b"balena", b"containerd", b"cri-docker", b"crio", b"docker", b"garden", b"kubelet"),
        *(b"k0scontroller", b"k0sworker", b"k3s", b"k3s-agent", b"rke2-agent", b"rke2-server"),
        *(b"snap.docker.dockerd", b"snap.k8s.containerd", b"snap.k8s.kubelet"),
        *(b"snap.microk8s.daemon-containerd", b"snap.microk8s.daemon-docker"),
        *(b"snap.microk8s.daemon-kubelet", b"snap.microk8s.daemon-kubelite"),
    )
)


@lru_cache(maxsize=_NAMES_KEPT)
def name_owner(path: bytes) -> str | None:
    """Return the name of what owns a cgroup, None for the root, which is everybody's."""
    path = _normalize(path)
    if not path:
        return None
    first, below = _skip_slices(path)[1:]
    if user := _USER_MANAGER.fullmatch(first):
        return label_value(b"user-" + user[1] + (b"/" + _find_name(below) if below else b""))
    return label_value(_find_name(path))


def find_pod_uid(path: bytes) -> str | None:
    """Return the uid of the pod that a cgroup belongs to; None where it belongs to none."""
    path = _normalize(path)
    _, first, below = _skip_slices(path)
    return find_pod(path) or (find_pod(below) if first in ENGINE_SERVICES else None)


def is_of_engine(path: bytes) -> bool:
    """Return whether a cgroup belongs to a pod, a container, a machine or a job, also to one of a user."""
    path = _normalize(path)
    first, below = _skip_slices(path)[1:]
    return _find_hosted(below if _USER_MANAGER.fullmatch(first) else path) is not None


def _normalize(path: bytes) -> bytes:
    """Return a path below the root of the tree, without what goes up to it from our own cgroup namespace.

    In a pod of its own the exporter sees the other pods of a node as its neighbours: what lies above them is
    not in the path.
    """
    is_above = path.startswith(b"/..")
    path = b"/".join(part for part in path.split(b"/") if part not in {b"", b".."})
    if is_above and _NEIGHBOUR.match(path):
        path = b"kubepods/" + path
    return path[found.end() :] if (found := _WSL.match(path)) else path


def _find_name(path: bytes) -> bytes:
    if hosted := _find_hosted(path):
        return hosted
    slice_, first, _ = _skip_slices(path)
    if _SESSION.fullmatch(first):  # what is the login's is the user's
        return _name_unit(slice_) if slice_ else b"session"
    if found := _OPENRC.match(path):
        return found[1]
    return _name_unit(first or slice_)


def _find_hosted(path: bytes) -> bytes | None:
    if hosted := find_container(path):
        return hosted
    _, first, below = _skip_slices(path)
    return find_container(below) if first in ENGINE_SERVICES else None


def _skip_slices(path: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the innermost of the slices that a path begins with, the part after them, and what is below."""
    slice_, first, below = b"", *path.partition(b"/")[::2]
    while first.endswith(b".slice") or (first == b"system" and not slice_):  # the first systemd's had no end
        slice_, (first, _, below) = first, below.partition(b"/")
    return slice_, first, below


def _name_unit(unit: bytes) -> bytes:
    """Return the name of a unit without what is another one at each start."""
    name = unescape(unit)
    for pattern, lasting in _CHANGES:
        if found := pattern.fullmatch(name):
            return found.expand(lasting)
    return name
