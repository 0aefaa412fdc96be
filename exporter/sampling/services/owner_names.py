"""Turn the path of a cgroup into the name of a unit, a container or a pod: short, and stable over restarts.

Paths are made by systemd (systemd.slice(5), systemd.unit(5) for how names are escaped), by container engines
and by the kubelet, whose names for one thing differ by cgroup driver.
"""

import re
from itertools import pairwise
from typing import Final

from exporter.sampling.labels import label_value

_SHORT_ID: Final = 12
_ESCAPED: Final = re.compile(rb"\\x([0-9a-f]{2})")
_POD: Final = re.compile(rb"(?:^|-)pod([0-9a-f]{8})[-_0-9a-f]{24,28}(?:\.slice)?$")
_CONTAINER: Final = re.compile(rb"(?:([a-z][a-z-]*)-)?([0-9a-f]{64})(?:\.scope)?$")
_ENGINES: Final = {b"libpod": b"podman", b"cri-containerd": b"containerd", b"crio": b"cri-o"}
_ENGINE_FOLDERS: Final = frozenset({b"docker", b"lxc"})
_LXC: Final = b"lxc.payload."
_CONNECTION: Final = re.compile(rb"@[0-9]+-.*\.service$")
_SESSION: Final = re.compile(rb"session-\w+\.scope$")
_USER_MANAGER: Final = re.compile(rb"user@([0-9]+)\.service")
_MACHINE: Final = re.compile(rb"machine-(.+)\.scope$")
_RUN_NUMBER: Final = re.compile(rb"-(?:[0-9]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$")


def name_owner(path: bytes) -> str | None:
    """Return the name of what owns a cgroup, None for the root, which is everybody's."""
    parts = [part for part in path.split(b"/") if part not in {b"", b".."}]
    if not parts:
        return None
    for place, part in enumerate(parts[:-1], start=1):
        if user := _USER_MANAGER.fullmatch(part):  # below it the user gives the names
            return label_value(b"user-%b/%b" % (user[1], _find_name(parts[place:])))
    return label_value(_find_name(parts))


def _find_name(parts: list[bytes]) -> bytes:
    return _find_pod(parts) or _find_container(parts) or _find_unit(parts)


def _find_pod(parts: list[bytes]) -> bytes | None:
    for part in parts:
        if found := _POD.search(part):
            return b"pod:" + found[1]
    return None


def _find_container(parts: list[bytes]) -> bytes | None:
    """Return the outermost container: what runs in it is not told from outside."""
    for folder, part in pairwise([b"", *parts]):
        if found := _CONTAINER.match(part):
            engine = found[1] or (folder if folder in _ENGINE_FOLDERS else b"container")
            return _ENGINES.get(engine, engine) + b":" + found[2][:_SHORT_ID]
        if folder in _ENGINE_FOLDERS:
            return folder + b":" + part
        if part.startswith(_LXC):
            return b"lxc:" + part.removeprefix(_LXC)
        if found := _MACHINE.match(part):
            return b"machine:" + _unescape(found[1])
    return None


def _find_unit(parts: list[bytes]) -> bytes:
    """Return the innermost service, else the innermost scope that has a name to keep, else the last part.

    A scope of a login has none: its sockets are the user's.
    """
    lasting = [_unescape(part) for part in parts if not _SESSION.match(part)] or parts
    for part in reversed(lasting):
        if part.endswith(b".service"):
            return _CONNECTION.sub(b"@.service", part)
    for part in reversed(lasting):
        if part.endswith(b".scope"):
            return _RUN_NUMBER.sub(b"", part.removesuffix(b".scope"))
    return lasting[-1].removesuffix(b".slice")


def _unescape(name: bytes) -> bytes:
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), name)
