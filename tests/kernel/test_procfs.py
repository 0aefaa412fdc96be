"""Files are found in the right namespace, read in blocks of whole lines, and refused with a reason."""

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.kernel.procfs import Procfs, ProcfsError
from tests.support.procfs_tree import (
    Printed,
    ProcfsTree,
    open_files,
    print_table,
    unprivileged,
)

FAR = float("inf")


@pytest.fixture
def tree(tmp_path: Path) -> ProcfsTree:
    """Lay out a procfs."""
    return ProcfsTree(tmp_path)


@pytest.fixture
def public_tree() -> Iterator[ProcfsTree]:
    """Lay out a procfs in a folder that everybody may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield ProcfsTree(Path(folder))


def read_whole(procfs: Procfs, table: str) -> bytes:
    """Return what all blocks of a table have."""
    blocks = procfs.read_blocks(table, FAR)
    assert blocks is not None
    return b"".join(blocks)


def many_rows(number: int) -> bytes:
    """Return a table of so many rows."""
    return print_table("tcp", (Printed(local=i % 65536, peer=i) for i in range(number)))


def test_a_mounted_host_is_read_through_its_first_process(tmp_path: Path) -> None:
    """Below another root ``self`` would be a process of the container."""
    ProcfsTree(tmp_path, "self").fill("udp", Printed(1))
    host = ProcfsTree(tmp_path, "1")
    host.fill("udp", Printed(2))
    assert str(host.net) == host.procfs().net_directory
    assert print_table("udp", [Printed(2)]) == read_whole(host.procfs(), "udp")


def test_self_is_read_where_there_is_no_first_process(tree: ProcfsTree) -> None:
    """There is no ``net`` beside it either, as under ``subset=pid``."""
    assert not (tree.root / "net").exists()
    assert str(tree.net) == tree.procfs().net_directory
    assert print_table("tcp") == read_whole(tree.procfs(), "tcp")


@pytest.mark.parametrize("root", ["/proc", "/proc/"])
def test_the_own_procfs_is_read_through_self(root: str) -> None:
    assert Procfs(root).net_directory == "/proc/self/net"


@pytest.mark.parametrize("root", ["missing", "empty", "file"])
def test_no_procfs(tmp_path: Path, root: str) -> None:
    """The message names the root and what was looked for."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    path = tmp_path / root
    with pytest.raises(
        ProcfsError,
        match=rf"^{re.escape(str(path))}: not a procfs: .*/1/net or .*/self/net with a table tcp$",
    ):
        Procfs(str(path))


def test_missing_table_is_absence(tree: ProcfsTree) -> None:
    assert tree.procfs().read_blocks("tcp6", FAR) is None
    assert tree.procfs().read_net("sockstat6") is None
    assert tree.procfs().read_sysctl("net/ipv4/ip_local_port_range") is None


def test_vanished_namespace_is_no_absence(tree: ProcfsTree, tmp_path: Path) -> None:
    """The tables of a process that ended are gone, not empty."""
    procfs = tree.procfs()
    tree.net.rename(tmp_path / "elsewhere")
    with pytest.raises(ProcfsError, match=rf"^{re.escape(str(tree.net))}: gone$"):
        procfs.read_blocks("tcp", FAR)


def make_fifo(path: Path) -> None:
    """Make a pipe that nobody writes."""
    os.mkfifo(path)


def make_device(path: Path) -> None:
    """Make a way to a device that never ends."""
    path.symlink_to("/dev/zero")


def make_loop(path: Path) -> None:
    """Make a link to itself."""
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_fifo, "not a regular file"),
        (Path.mkdir, "not a regular file"),
        (make_device, "not a regular file"),
        (make_loop, "Too many levels of symbolic links"),
    ],
)
def test_what_is_no_plain_file_is_refused_unread(
    tree: ProcfsTree, make: Callable[[Path], None], reason: str
) -> None:
    """Nothing blocks, the message names the file, and nothing stays open."""
    make(tree.remove("udp"))
    before = open_files()
    message = rf"^{re.escape(str(tree.net))}/udp: {reason}$"
    with pytest.raises(ProcfsError, match=message):
        tree.procfs().read_blocks("udp", FAR)
    with pytest.raises(ProcfsError, match=message):
        tree.procfs().read_net("udp")
    assert before == open_files()


def test_forbidden_table(public_tree: ProcfsTree) -> None:
    """The message names the file and the error, and hints at rights."""
    (public_tree.net / "tcp").chmod(0)
    expected = rf"^{re.escape(str(public_tree.net))}/tcp: Permission denied; run it with the right to read"
    with unprivileged(), pytest.raises(ProcfsError, match=expected):
        public_tree.procfs().read_blocks("tcp", FAR)


@pytest.mark.parametrize("lines", [1, 1023, 1024, 1025, 5000])
def test_blocks_are_bounded_and_whole(tree: ProcfsTree, lines: int) -> None:
    """Where reads end at line ends, as those of the kernel do, none is larger than one read."""
    content = (b"x" * 63 + b"\n") * lines
    tree.write("unix", content)
    blocks = list(tree.procfs().read_blocks("unix", FAR) or ())
    assert content == b"".join(blocks)
    assert all(block.endswith(b"\n") for block in blocks)
    assert max(map(len, blocks)) <= 65536


def test_lines_that_pages_cut_are_joined(tree: ProcfsTree) -> None:
    """Where a read ends inside a line, the block goes on to the end of a line, however far that is."""
    content = b"h\n" + b"x" * 200_000 + b"\nlast"
    tree.write("unix", content)
    assert [content] == list(tree.procfs().read_blocks("unix", FAR) or ())


def test_empty_table_has_no_block(tree: ProcfsTree) -> None:
    tree.write("tcp", b"")
    assert list(tree.procfs().read_blocks("tcp", FAR) or ()) == []


def test_reading_ends_at_the_deadline(tree: ProcfsTree) -> None:
    """A block is given before the clock is looked at, the rest is not, and the file is closed."""
    line = b"x" * 63 + b"\n"
    tree.write("udp", line * 8192)
    before = open_files()
    blocks = tree.procfs().read_blocks("udp", time.monotonic() - 1)
    assert blocks is not None
    assert next(blocks) == line * 1024
    with pytest.raises(ProcfsError, match=rf"^{re.escape(str(tree.net))}/udp: timeout: "):
        next(blocks)
    assert before == open_files()


def test_reading_in_time_goes_on(tree: ProcfsTree) -> None:
    content = many_rows(2000)
    tree.write("tcp", content)
    assert content == b"".join(tree.procfs().read_blocks("tcp", time.monotonic() + 3600) or ())


def test_error_half_way(tree: ProcfsTree) -> None:
    """A file that fails after a block raises, and is closed.

    In its place is put the memory of this process, whose first page cannot be read.
    """
    path = tree.write("tcp", (b"x" * 63 + b"\n") * 8192)
    before = open_files()
    blocks = tree.procfs().read_blocks("tcp", FAR)
    assert blocks is not None
    next(blocks)
    (descriptor,) = (number for number, target in open_files().items() if target == str(path))
    memory = os.open("/proc/self/mem", os.O_RDONLY)
    os.dup2(memory, descriptor)
    os.close(memory)
    with pytest.raises(ProcfsError, match=rf"^{re.escape(str(tree.net))}/tcp: Input/output error$"):
        next(blocks)
    assert before == open_files()


def test_small_files_are_read_whole(tree: ProcfsTree) -> None:
    tree.write("sockstat", b"TCP: inuse 1\n" * 1000)
    tree.write_sysctl("net/ipv4/ip_local_port_range", b"32768\t60999\n")
    procfs = tree.procfs()
    assert procfs.read_net("sockstat") == b"TCP: inuse 1\n" * 1000
    assert procfs.read_sysctl("net/ipv4/ip_local_port_range") == b"32768\t60999\n"


def test_unreadable_small_file(tree: ProcfsTree) -> None:
    """An error while reading is told as one while opening."""
    tree.remove("sockstat").symlink_to("/proc/self/mem")
    with pytest.raises(ProcfsError, match=r"sockstat: Input/output error$"):
        tree.procfs().read_net("sockstat")


def test_own_namespace_is_the_one_that_is_read() -> None:
    read, own, _ = Procfs().network_namespaces() or (0, 1, 2)
    assert read == own


def test_namespaces_of_a_mounted_host(tmp_path: Path) -> None:
    """What is read is the first process's namespace, which is not ours."""
    tree = ProcfsTree(tmp_path, "1")
    read, own, first = tree.procfs().network_namespaces() or (0, 0, 1)
    assert (tree.net / "tcp").stat().st_ino == read == first
    assert read != own


def test_hidden_first_process(tree: ProcfsTree) -> None:
    """With ``hidepid`` the namespaces cannot be compared."""
    assert tree.procfs().network_namespaces() is None
