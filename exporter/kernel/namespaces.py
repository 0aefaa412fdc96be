"""Read the tables of another network namespace, through the directory of one of its processes.

1. ``/proc/PID/net`` shows anybody the tables of a process's network namespace, whatever user it belongs to.
2. Nothing stays open between two passes; during one, a directory. A namespace whose tables, or whose
   ``ns/net``, somebody holds open does not end with its last process.
3. All that is read of a namespace in one go is read below one open directory, which never becomes that of
   another process. A process may enter another namespace meanwhile, so the namespace is compared first.
4. sockstat, sockstat6 and the Tcp line of snmp are cheap, while a table costs a walk through the hash of the
   whole host. Together they change with every change of a TCP socket's state: they are the *fingerprint*.
   It does not see accept(), read() or connect() of a UDP socket.

Source: ``proc_tgid_net_lookup`` in fs/proc/proc_net.c, net/ipv4/proc.c.
"""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from exporter.kernel.counters import parse_sockstat
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.kernel.tables import TABLES

# sockets counts those of unix and netlink, too; the others are the whole host's.
_OF_THE_HOST: Final = re.compile(rb"sockets: used [0-9]+| (?:orphan|alloc|mem) [0-9]+")
_READ_BYTES: Final = 1 << 14
_TCP_LINE: Final = b"\nTcp: "
_KEPT_FILES: Final = frozenset({"sockstat", "sockstat6"})
_CLOSED: Final = -1


class NamespaceGoneError(ProcfsError):
    """The process has ended, or has left the namespace."""


class NamespaceProcfs(Procfs):
    """The tables that the processes of a network namespace see; they can be read while it is opened.

    Sysctls are those of the reader's own namespace, so there are none. Small files that are read again and
    again are kept while it is open.
    """

    def __init__(self, root: str, inode: int) -> None:
        self.root = root
        self.net_directory = ""
        self._inode = inode
        self._descriptor = _CLOSED
        self._kept: dict[str, bytes | None] = {}

    @contextmanager
    def opened(self, pid: int) -> Iterator[None]:
        """Open it by one of its processes; raises NamespaceGoneError, ProcfsError."""
        self.net_directory = os.path.join(self.root, str(pid), "net")
        try:
            self._descriptor = os.open(self.net_directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError):
            raise NamespaceGoneError(f"{self.net_directory}: gone") from None
        except OSError as error:
            raise ProcfsError(f"{self.net_directory}: {error.strerror or error}") from error
        try:
            self.check_there()
            yield
        finally:
            os.close(self._descriptor)
            self._descriptor = _CLOSED
            self._kept.clear()

    def check_there(self) -> None:
        """Raise NamespaceGoneError if the process has left the namespace."""
        if not self._is_there():
            raise NamespaceGoneError(f"{self.net_directory}: the process has left its network namespace")

    def read_net(self, name: str) -> bytes | None:
        """Return the whole of a small file beside the tables; None where there is none."""
        if name in self._kept:
            return self._kept[name]
        text = self._read_small(name)
        if name in _KEPT_FILES:
            self._kept[name] = text
        return text

    def read_sysctl(self, name: str) -> bytes | None:
        """Return None: sysctls show the reader's own namespace."""
        del name
        return None

    def shows_own_namespace(self) -> bool:
        """Return False: it is the namespace of another process."""
        return False

    def _locate(self, name: str) -> tuple[str, int | None]:
        if self._descriptor == _CLOSED:
            raise ProcfsError(f"{self.net_directory}: closed")
        return name, self._descriptor

    def _read_small(self, name: str) -> bytes | None:
        """Return the content of a file, in as few calls as the kernel gives it: there are hundreds a pass."""
        path, directory = self._locate(name)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
            try:
                text = os.read(descriptor, _READ_BYTES)
                while len(text) >= _READ_BYTES and (more := os.read(descriptor, _READ_BYTES)):
                    text += more
            finally:
                os.close(descriptor)
        except (FileNotFoundError, ProcessLookupError):
            return None
        except OSError as error:
            raise ProcfsError(f"{self.net_directory}/{name}: {error.strerror or error}") from error
        return text

    def _is_there(self) -> bool:
        try:
            return os.stat("tcp", dir_fd=self._descriptor).st_ino == self._inode
        except OSError:  # the process is gone, or a zombie by now
            return False


class Fingerprint(NamedTuple):
    """What changes with the state of any TCP socket of a namespace."""

    sockstat: bytes
    sockstat6: bytes
    segments: bytes


def read_fingerprint(procfs: Procfs) -> Fingerprint:
    """Return the fingerprint of a namespace; raises ProcfsError."""
    sockstat = procfs.read_net("sockstat") or b""
    sockstat6 = procfs.read_net("sockstat6") or b""
    snmp = procfs.read_net("snmp") or b""
    begin = snmp.find(_TCP_LINE, snmp.find(_TCP_LINE) + 1)  # the first line has the names
    segments = snmp[begin : snmp.find(b"\n", begin + 1)] if begin > 0 else snmp
    return Fingerprint(_OF_THE_HOST.sub(b"", sockstat), sockstat6, segments)


def find_filled(fingerprint: Fingerprint) -> Collection[str]:
    """Return the tables that may have rows; one whose number is not known is among them.

    The number of TIME_WAIT is that of both families. A connection in SYN_RECV is not counted, but its
    listener is.
    """
    numbers = {**parse_sockstat(fingerprint.sockstat), **parse_sockstat(fingerprint.sockstat6)}
    waiting = sum(found.get("tw", 0) for found in numbers.values())
    return {
        name
        for name, table in TABLES.items()
        if numbers.get(table.sockstat, {}).get("inuse", 1) or (table.protocol == "tcp" and waiting)
    }
