"""Name the pod, the container, the machine or the job that a cgroup's path begins with.

Engines make a scope of systemd or a folder, depending on their cgroup driver: the same container may have two
paths, and gets one name. docs/owners.md lists the paths with their sources.

Patterns match from the root of the tree. On the way they allow slices and folders, never a unit: what a unit
makes below itself is ignored.
"""

import re
from typing import Final

_UUID: Final = rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_POD: Final = rb"pod(?P<uid>(?P<name>[0-9a-f]{8})[-_0-9a-f]{24,28})"
_ID: Final = rb"(?P<name>[0-9a-f]{64})"
_NAME: Final = rb"(?P<name>[^/]+)"
_ENGINE: Final = rb"(?:(?P<engine>[a-z][a-z-]*?)-)??(?:conmon-|payload-)?"

_SLICES: Final = re.compile(rb"(?:[^/]+\.slice/)*")
_IN_SLICES: Final = (
    (b"pod", rb"(?:[^/]+\.slice/)*(?:[^/]+-)?%b\.slice(?::[^/]+)?" % _POD),
    (b"nomad", rb"nomad\.slice/(?:[^/]+\.slice/)*%b\.%b\.scope" % (_UUID, _NAME)),
    (b"qemu", rb"qemu\.slice/(?P<name>[0-9]+)\.scope"),
)
_AFTER_SLICES: Final = (
    (b"pod", rb"(?:[^/.]+/)?kubepods/(?:(?:kubepods|guaranteed|burstable|besteffort)/)*%b" % _POD),
    # A step of a build has another id each time.
    (b"docker:buildkit", rb"(?:docker[/-]|[^/]+\.slice:docker:)(?:buildkit[^/]*|[0-9a-z]{25}(?:\.scope)?)"),
    (b"container", rb"[^/]+\.slice:(?P<engine>[a-z][a-z-]*):%b" % _NAME),
    (b"docker", rb"docker/%b" % _NAME),
    (b"balena", rb"balena/%b" % _NAME),
    (b"containerd", rb"(?:default|k8s\.io)/%b" % _NAME),  # its namespaces
    (b"podman", rb"libpod[_-]parent/(?:[0-9a-f]{64}/)?libpod-(?:conmon-)?%b" % _ID),
    (b"kata", rb"kata_overhead/%b" % _NAME),
    (b"container", rb"(?:ecs/(?:[^/.]+/){1,2}|[^/.]+/)?%b%b(?:\.scope)?" % (_ENGINE, _ID)),
    (b"ecs", rb"ecs/(?:[^/.]+/)?(?P<name>[0-9a-f]{32})"),
    (b"lxc", rb"lxc(?:/|\.payload[./]|\.monitor[./])%b" % _NAME),
    (b"machine", rb"machine-%b\.scope" % _NAME),
    (b"machine", rb"machine/(?:[^/]+\.partition/)*%b\.libvirt-[a-z]+" % _NAME),
    (b"nomad", rb"nomad/(?:share/|reserve/)?%b\.%b" % (_UUID, _NAME)),
    (b"slurm", rb"(?:[^/]+_)?slurmstepd\.scope/job_(?P<name>[0-9]+)"),
    (b"slurm", rb"slurm(?:_[^/]+)?/(?:uid_[0-9]+/)?job_(?P<name>[0-9]+)"),
    (b"garden", rb"garden/%b" % _NAME),
    (b"mesos", rb"mesos/%b" % _NAME),
)
_COMPILED: Final = tuple(
    tuple((owner, re.compile(rb"(?:%b)(?:/|\Z)" % pattern, re.DOTALL)) for owner, pattern in layouts)
    for layouts in (_IN_SLICES, _AFTER_SLICES)
)
_ENGINES: Final = {b"libpod": b"podman", b"cri-containerd": b"containerd", b"crio": b"cri-o"}
_LONG_ID: Final = re.compile(rb"([0-9a-f]{12})[0-9a-f]{20,52}|([0-9a-f]{8})%b" % _UUID[len("[0-9a-f]{8}") :])
_START_NUMBER: Final = re.compile(rb"^(qemu|lxc|ch)-[0-9]+-(?=.)")  # libvirt's, another one at each start
_ESCAPED: Final = re.compile(rb"\\x(?!2f)([0-9a-f]{2})")


def find_container(path: bytes) -> bytes | None:
    """Return the name of the outermost pod, container, machine or job; None where a path has none.

    ``path`` has neither a slash at its ends nor empty parts.
    """
    found = _match(path)
    return None if found is None else _join(found[0], **_without_uid(found[1]))


def find_pod(path: bytes) -> str | None:
    """Return the uid of the pod that a path begins with, as Kubernetes writes it; None if there is none."""
    found = _match(path)
    uid = found and found[1].get("uid")
    return uid.decode().replace("_", "-") if uid else None


def _match(path: bytes) -> tuple[bytes, dict[str, bytes]] | None:
    """Return what a path begins with, and the parts of its name."""
    slices = _SLICES.match(path)
    rest = path[slices.end() :] if slices else path
    in_slices, after_slices = _COMPILED
    if rest.partition(b"/")[0].endswith(b".service"):  # the most frequent, and none of these
        after_slices = ()
    for text, layouts in ((path, in_slices), (rest, after_slices)):
        for owner, pattern in layouts:
            if found := pattern.match(text):
                return owner, found.groupdict()
    return None


def _without_uid(parts: dict[str, bytes]) -> dict[str, bytes]:
    return {name: part for name, part in parts.items() if name != "uid"}


def _join(owner: bytes, name: bytes | None = None, engine: bytes | None = None) -> bytes:
    if name is None:
        return owner
    if owner == b"machine":
        name = _START_NUMBER.sub(rb"\1-", unescape(name))
    elif short := _LONG_ID.fullmatch(name):
        name = short[1] or short[2]
    return _ENGINES.get(engine or owner, engine or owner) + b":" + name


def unescape(name: bytes) -> bytes:
    """Return the name of a unit as it was before systemd escaped it, but for slashes."""
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), name)
