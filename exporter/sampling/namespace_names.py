"""Name a network namespace after what runs in it: a pod, a container, a unit or a program.

1. The cgroup of its oldest process names it, by the rules of ``owner_names``: nobody can forge that. The
   process must be in the namespace still when its cgroup has been read: its number may be another's by now.
2. A pod has the name that the kubelet gave its log directory. Without that directory it has its uid alone.
3. A Podman container has the name that its monitor was started with. The monitor is the parent of the
   container's first process, and in a cgroup that only Podman makes for it.
4. A namespace that ``ip netns`` knows has that name, where we may read which one it is, unless an engine has
   named what runs there, or made the name: such a one is another one at each start.
5. A process in the root cgroup, which is everybody's, can call itself anything. The name of its program is
   marked as such, and has nothing in it that names of the other kinds are made of.
6. Whoever may make cgroups can nest them so deep that the kernel gives no path. Then it is ``unknown``.

Source: libpod/oci_conmon_common.go of Podman.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final, NamedTuple

from exporter.kernel.cgroups import parse_membership
from exporter.kernel.netns_names import find_netns_number
from exporter.kernel.pods import Pod
from exporter.kernel.processes import read_parent
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.sampling.labels import UNKNOWN_OWNER, label_value
from exporter.sampling.owner_names import find_pod_uid, is_of_engine, name_owner
from exporter.sampling.reading.namespace_finder import FoundNamespace

LONGEST_NETNS: Final = 128  # a namespace of Kubernetes and a pod

_PROCESSES_ASKED: Final = 8
_PROGRAM: Final = "process"
_BY_ENGINE: Final = re.compile(rb"(?:cni-|netns-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MONITOR: Final = re.compile(
    rb":/(?:libpod_parent/conmon|(?:.*/)?libpod-conmon-[0-9a-f]{64}\.scope)$", re.MULTILINE
)
_PODMAN: Final = re.compile(r"((?:user-[0-9]+/)?podman:)([0-9a-f]{12})")
_CONTAINER: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NOT_IN_A_PROGRAM: Final = re.compile(r"[^A-Za-z0-9_.-]")


class GivenNames(NamedTuple):
    """The names that were given: to pods, by uid, and by ``ip netns``, by the namespace's number."""

    pods: Mapping[str, Pod]
    netns: Mapping[int, bytes]


class NamespaceName(NamedTuple):
    """The labels of a network namespace, and the owner of the processes in it."""

    netns: str
    namespace: str
    pod: str
    owner: str
    has_pod_without_name: bool = False


def name_namespace(procfs: Procfs, found: FoundNamespace, given: GivenNames) -> NamespaceName | None:
    """Return the name of a namespace; None where its processes are gone. Raises ProcfsError."""
    for pid in found.processes[:_PROCESSES_ASKED]:
        name = _name_by(procfs, pid, found, given)
        if _is_in(procfs, pid, found):
            return name
    return None


def group_owners(owner: str) -> str:
    """Return who is behind an owner: the user, whose own manager gives any number of names; else the owner.

    What programs in the root cgroup call themselves is all the same.
    """
    kind = owner.partition(":")[0]
    return kind if kind == _PROGRAM else owner.partition("/")[0]


def _name_by(procfs: Procfs, pid: int, found: FoundNamespace, given: GivenNames) -> NamespaceName:
    """Return the name that a namespace has by one of its processes; raises ProcfsError."""
    try:
        cgroup = parse_membership(procfs.read_process(str(pid), "cgroup") or b"")
    except ProcfsError:
        return NamespaceName(UNKNOWN_OWNER, "", "", UNKNOWN_OWNER)
    owner = name_owner(cgroup)
    if uid := find_pod_uid(cgroup):
        owner = owner or f"pod:{uid}"
        if pod := given.pods.get(uid):
            netns = label_value(f"{pod.namespace}/{pod.name}".encode(), LONGEST_NETNS)
            return NamespaceName(netns, pod.namespace, label_value(pod.name.encode()), owner)
        return NamespaceName(owner, "", "", owner, has_pod_without_name=True)
    if owner is None:
        program = label_value((procfs.read_process(str(pid), "comm") or b"").removesuffix(b"\n"))
        owner = f"{_PROGRAM}:{_NOT_IN_A_PROGRAM.sub('_', program)}"
    elif container := _PODMAN.fullmatch(owner):
        owner = container[1] + (_find_container_name(procfs, pid, container[2]) or container[2])
    known_as = None if is_of_engine(cgroup) else _find_netns_name(procfs, found, given.netns)
    return NamespaceName(known_as or owner, "", "", owner)


def _find_netns_name(procfs: Procfs, found: FoundNamespace, names: Mapping[int, bytes]) -> str | None:
    """Return the name that ``ip netns`` knows; None where it has none, or we may not know."""
    for pid in found.processes[:_PROCESSES_ASKED] if names else ():  # some may be our own user's
        number = find_netns_number(procfs, pid)
        if number is not None and _is_in(procfs, pid, found):
            name = names.get(number, b"")
            return None if _BY_ENGINE.fullmatch(name) else label_value(name, LONGEST_NETNS)
    return None


def _is_in(procfs: Procfs, pid: int, found: FoundNamespace) -> bool:
    """Return whether a process is in the namespace still, as far as we can see."""
    try:
        return procfs.find_namespace(pid) == found.inode
    except ProcfsError:
        return False


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
