"""The only door to files under /proc.

Files of one network namespace are read through a process in it: ``<root>/self/net``, which still works
under ``subset=pid`` where ``/proc/net`` is gone, or ``<root>/1/net`` when the root is a host's procfs
mounted elsewhere, because there ``self`` would be a process of the container. Where that procfs hides
process 1 (``hidepid``), there is nothing to be read: the container's own sockets would look like a host
without any.
"""

import errno
import os
import re
import stat
from collections.abc import Generator, Iterator
from functools import partial
from time import monotonic
from typing import Final

DEFAULT_ROOT: Final = "/proc"

_READ_BYTES: Final = 1 << 16
_SOCKET: Final = re.compile(r"socket:\[([0-9]+)\]")
_HINTS: Final = {errno.EACCES: "; run it with the right to read this file"}


class ProcfsError(Exception):
    """A file under /proc could not be read; the text names the file and the cause."""


class ProcfsTimeoutError(ProcfsError):
    """A table takes longer to read than it may."""


class Procfs:
    """A procfs mounted at ``root``.

    Raises ProcfsError when there is no directory of network tables below ``root``.
    """

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        root = root.rstrip("/") or "/"
        self.root = root
        is_mounted = os.path.islink(os.path.join(root, "self"))
        processes = ("self",) if root == DEFAULT_ROOT else ("1",) if is_mounted else ("1", "self")
        directories = [os.path.join(root, process, "net") for process in processes]
        found = [directory for directory in directories if _exists(os.path.join(directory, "tcp"))]
        if not found:
            hint = ""
            if is_mounted and root != DEFAULT_ROOT:  # there self is the container: its sockets are no host's
                hint = "; if it is a procfs, it hides the processes of others: mount it without hidepid"
            raise ProcfsError(
                f"{root}: not a procfs: there is no {' or '.join(directories)} with a table tcp{hint}"
            )
        self.net_directory = found[0]
        self._shows_sysctls = self.shows_own_namespace() or not is_mounted

    def has_table(self, table: str) -> bool:
        """Tell whether there is such a socket table; raises ProcfsError where there are none at all."""
        if _exists(*self._locate(table)):
            return True
        if not self._is_there():
            raise ProcfsError(f"{self.net_directory}: gone")
        return False

    def read_blocks(self, table: str, deadline: float) -> Generator[bytes, None, None] | None:
        """Return the content of a socket table in blocks of whole lines; None where there is no such table.

        However large the buffer, the kernel gives at most a page at a time; a block joins several.
        ``deadline`` is on the monotonic clock, and is checked between blocks. The file is closed at its end,
        or when the generator is closed.

        Raises ProcfsError, also while iterating.
        """
        path = os.path.join(self.net_directory, table)
        try:
            descriptor = _open_file(*self._locate(table))
        except FileNotFoundError:
            if self._is_there():
                return None
            raise ProcfsError(f"{self.net_directory}: gone") from None
        except OSError as error:
            raise _explain(path, error) from error
        blocks = _iterate_blocks(descriptor, path, deadline)
        next(blocks)
        return blocks

    def read_net(self, name: str) -> bytes | None:
        """Return the whole of a small file beside the tables, such as sockstat; None where there is none."""
        return self._read(*self._locate(name))

    def read_sysctl(self, name: str) -> bytes | None:
        """Return a kernel parameter, such as ``net/ipv4/ip_local_port_range``; None where there is none.

        Every procfs shows those of the reader's network namespace, so none go with the tables of another.
        """
        return self._read(f"{self.root}/sys/{name}") if self._shows_sysctls else None

    def read_process(self, process: str, name: str) -> bytes | None:
        """Return a file of a process, known by its number or as ``self``; None where it is gone."""
        return self._read(f"{self.root}/{process}/{name}")

    def count_files(self, pid: int) -> int:
        """Return how many files a process has open; 0 where it is gone, is hidden, or before Linux 6.2.

        Anybody may ask: it is the size of ``fd``, a directory that only few may list.
        """
        try:
            return os.stat(os.path.join(self.root, str(pid), "fd")).st_size
        except OSError:
            return 0

    def list_processes(self) -> list[int]:
        """Return the numbers of all processes, the lowest first; raises ProcfsError."""
        return sorted(pid for pid, _ in self.scan_processes())

    def iterate_sockets(self, pid: int) -> Iterator[int | None]:
        """Yield the inode of each file that a process holds and that is a socket, None for every other.

        Raises ProcfsError, while iterating.
        """
        path = os.path.join(self.root, str(pid), "fd")
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    found = _read_socket_link(entry.path)
                    yield int(found[1]) if found else None
        except OSError as error:
            raise _explain(path, error) from error

    def network_namespaces(self) -> tuple[int, int, int] | None:
        """Return the network namespaces of the tables, of this process, and of process 1.

        These are inode numbers of their tables, which differ from one namespace to the next and, unlike the
        links under ``ns/``, can be had without privileges. None where one of them is hidden from us.
        """
        directories = (self.net_directory, f"{DEFAULT_ROOT}/self/net", os.path.join(self.root, "1", "net"))
        try:
            read, own, first = (os.stat(os.path.join(directory, "tcp")).st_ino for directory in directories)
        except OSError:
            return None
        return read, own, first

    def shows_own_namespace(self) -> bool:
        """Return whether the tables are those of this process's own network namespace."""
        if self.net_directory == f"{DEFAULT_ROOT}/self/net":
            return True
        namespaces = self.network_namespaces()
        return namespaces is not None and namespaces[0] == namespaces[1]

    def scan_processes(self) -> Iterator[tuple[int, int]]:
        """Yield the number of each process, and the inode number of its directory.

        A number that was given to another process has another inode. Raises ProcfsError.
        """
        try:
            with os.scandir(self.root) as entries:
                for entry in entries:
                    if entry.name.isdecimal():
                        yield int(entry.name), entry.inode()
        except OSError as error:
            raise _explain(self.root, error) from error

    def find_namespace(self, pid: int) -> int | None:
        """Return the network namespace of a process: the inode number of its tables.

        None where the process is gone, or a zombie, which has no tables. Raises ProcfsError where the process
        is hidden from us.
        """
        path = os.path.join(self.root, str(pid), "net", "tcp")
        try:
            return os.stat(path).st_ino
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
            return None
        except OSError as error:
            raise _explain(path, error) from error

    def find_own_namespace(self) -> int | None:
        """Return the network namespace of the tables, by the same number; None where it is hidden from us."""
        try:
            return os.stat(os.path.join(self.net_directory, "tcp")).st_ino
        except OSError:
            return None

    def hides_processes(self) -> bool:
        """Return whether the processes of other users are hidden from us (``hidepid``)."""
        try:
            return os.path.islink(os.path.join(self.root, "self")) and self.find_namespace(1) is None
        except ProcfsError:
            return True

    def _locate(self, name: str) -> tuple[str, int | None]:
        """Return the path of a file beside the tables, and the directory that it is below, if it is open."""
        return f"{self.net_directory}/{name}", None

    def _is_there(self) -> bool:
        return os.path.isdir(self.net_directory)

    @staticmethod
    def _read(path: str, directory: int | None = None) -> bytes | None:
        try:
            descriptor = _open_file(path, directory)
            try:
                return b"".join(iter(partial(os.read, descriptor, _READ_BYTES), b""))
            finally:
                os.close(descriptor)
        except (FileNotFoundError, ProcessLookupError):
            return None
        except OSError as error:
            raise _explain(path, error) from error


def _exists(path: str, directory: int | None = None) -> bool:
    """Return whether a file exists; raises ProcfsError if that cannot be decided, as for a hidden one."""
    try:
        os.stat(path, dir_fd=directory)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _explain(path, error) from error
    return True


def _read_socket_link(path: str) -> re.Match[str] | None:
    try:
        return _SOCKET.fullmatch(os.readlink(path))
    except FileNotFoundError:  # closed since
        return None


def _open_file(path: str, directory: int | None = None) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return descriptor


def _iterate_blocks(descriptor: int, path: str, deadline: float) -> Generator[bytes, None, None]:
    try:
        yield b""  # only what has been started closes the file when it is closed
        pages: list[bytes] = []
        size = 0
        while page := os.read(descriptor, _READ_BYTES):
            pages.append(page)
            size += len(page)
            if size >= _READ_BYTES and page.endswith(b"\n"):
                yield b"".join(pages)
                pages.clear()
                size = 0
                if monotonic() > deadline:
                    raise ProcfsTimeoutError(f"{path}: timeout: it takes too long to read")
        if pages:
            yield b"".join(pages)
    except OSError as error:
        raise _explain(path, error) from error
    finally:
        os.close(descriptor)


def _explain(path: str, error: OSError) -> ProcfsError:
    return ProcfsError(f"{path}: {error.strerror or error}{_HINTS.get(error.errno or 0, '')}")
