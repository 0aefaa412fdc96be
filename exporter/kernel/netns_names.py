"""Find the names that ``ip netns`` gave to network namespaces.

1. ``ip netns add`` and ``ip netns attach`` mount a namespace at ``/run/netns/NAME``. Anybody may read in
   mountinfo which number is mounted where.
2. Nobody but root can give a name: to mount in the mount namespace of process 1 takes CAP_SYS_ADMIN in the
   user namespace that owns it, and mounts in a user's own mount namespaces never spread to it.
3. The number of a process's namespace is in the link ``ns/net``. The kernel makes it, and whoever may ptrace
   the process may read it: its own user, or CAP_SYS_PTRACE. It is not the inode number of its tables.
4. A number is given again after its namespace has ended, but a namespace does not end while it is mounted.

Source: ip-netns(8), proc_pid_mountinfo(5), proc_pid_ns(5), ``ns_get_name`` and ``nsfs_show_path`` in
fs/nsfs.c.
"""

import os
import re
from collections.abc import Mapping
from typing import Final

from exporter.kernel.mounts import unescape_place
from exporter.kernel.procfs import Procfs

_NAMED: Final = re.compile(
    rb"^[^ \n]+ [^ \n]+ [^ \n]+ net:\[([0-9]{1,10})\] (?:/var)?/run/netns/([^ \n/]+) (?:[^ \n]+ )*?- nsfs ",
    re.MULTILINE,
)
_LINK: Final = re.compile(r"net:\[([0-9]{1,10})\]", re.ASCII)


def list_netns_names(procfs: Procfs) -> Mapping[int, bytes]:
    """Return the names that process 1 sees, by the namespace's number; raises ProcfsError."""
    return parse_netns_names(procfs.read_process("1", "mountinfo") or b"")


def parse_netns_names(mountinfo: bytes) -> Mapping[int, bytes]:
    """Return the names in mountinfo, by number; of several names of a namespace the first one."""
    return {int(number): unescape_place(name) for number, name in reversed(_NAMED.findall(mountinfo))}


def find_netns_number(procfs: Procfs, pid: int) -> int | None:
    """Return the number of a process's network namespace; None where it is gone, or we lack the right."""
    try:
        found = _LINK.fullmatch(os.readlink(os.path.join(procfs.root, str(pid), "ns", "net")))
    except OSError:
        return None
    return int(found[1]) if found else None
