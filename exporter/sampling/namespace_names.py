"""Name a network namespace after what runs in it: a pod, a container, a unit or a program.

1. The cgroup of its oldest process names it, by the rules of ``owner_names``: nobody can forge that.
2. A pod has the name that the kubelet gave its log directory. Without that directory it has its uid alone.
3. A Podman container has the name that its monitor was started with. The monitor is the parent of the
   container's first process, and in a cgroup that only Podman makes for it.
4. A process in the root cgroup, which is everybody's, can call itself anything. The name of its program is
   marked as such, and has nothing in it that names of the other kinds are made of.

Source: libpod/oci_conmon_common.go of Podman.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final, NamedTuple

from exporter.kernel.cgroups import parse_membership
from exporter.kernel.pods import Pod
from exporter.kernel.processes import read_parent
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.sampling.labels import label_value
from exporter.sampling.owner_names import find_pod_uid, name_owner

LONGEST_NETNS: Final = 128  # a namespace of Kubernetes and a pod

_MONITOR: Final = re.compile(
    rb":/(?:libpod_parent/conmon|(?:.*/)?libpod-conmon-[0-9a-f]{64}\.scope)$", re.MULTILINE
)
_PODMAN: Final = re.compile(r"((?:user-[0-9]+/)?podman:)([0-9a-f]{12})")
_CONTAINER: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NOT_IN_A_PROGRAM: Final = re.compile(r"[^A-Za-z0-9_.-]")


class NamespaceName(NamedTuple):
    """The labels of a network namespace, and the owner of the processes in it."""

    netns: str
    namespace: str
    pod: str
    owner: str
    has_pod_without_name: bool = False


def name_namespace(procfs: Procfs, pid: int, pods: Mapping[str, Pod]) -> NamespaceName:
    """Return the name of the namespace of a process; raises ProcfsError."""
    cgroup = parse_membership(procfs.read_process(str(pid), "cgroup") or b"")
    owner = name_owner(cgroup)
    if uid := find_pod_uid(cgroup):
        owner = owner or f"pod:{uid}"
        if pod := pods.get(uid):
            netns = label_value(f"{pod.namespace}/{pod.name}".encode(), LONGEST_NETNS)
            return NamespaceName(netns, pod.namespace, label_value(pod.name.encode()), owner)
        return NamespaceName(owner, "", "", owner, has_pod_without_name=True)
    if owner is None:
        program = label_value((procfs.read_process(str(pid), "comm") or b"").removesuffix(b"\n"))
        owner = f"process:{_NOT_IN_A_PROGRAM.sub('_', program)}"
    elif container := _PODMAN.fullmatch(owner):
        owner = container[1] + (_find_container_name(procfs, pid, container[2]) or container[2])
    return NamespaceName(owner, "", "", owner)


def _find_container_name(procfs: Procfs, pid: int, short_id: str) -> str | None:
    """Return the name of a Podman container, which is an argument of its monitor; None where it has none."""
    try:
        monitor = str(read_parent(procfs, pid))
        if not _MONITOR.search(procfs.read_process(monitor, "cgroup") or b""):
            return None
        words = (procfs.read_process(monitor, "cmdline") or b"").split(b"\0")
    except ProcfsError:
        return None
    arguments = dict(reversed(list(pairwise(words))))  # the first one counts
    name = arguments.get(b"-n", b"")
    is_of_container = arguments.get(b"-c", b"").startswith(short_id.encode())
    return label_value(name) if is_of_container and _CONTAINER.fullmatch(name) else None
