"""Another namespace is read through one process, as long as that is in it; nothing stays open."""

from pathlib import Path

import pytest

from exporter.kernel.namespaces import (
    Fingerprint,
    NamespaceGoneError,
    NamespaceProcfs,
    find_filled,
    read_fingerprint,
)
from exporter.kernel.procfs import ProcfsError
from exporter.kernel.tables import TABLES
from tests.support.namespaces_tree import NamespacesTree
from tests.support.procfs_tree import Printed, open_files


@pytest.fixture
def tree(tmp_path: Path) -> NamespacesTree:
    """Lay out a host."""
    return NamespacesTree(tmp_path)


def view(tree: NamespacesTree, net: Path) -> NamespaceProcfs:
    """Return the view of a namespace."""
    return NamespaceProcfs(str(tree.root), (net / "tcp").stat().st_ino)


def test_it_is_read_while_it_is_opened_and_nothing_stays_open(tree: NamespacesTree) -> None:
    net = tree.add_namespace(Printed(80))
    tree.add_process(7, net)
    procfs, before = view(tree, net), open_files()
    with procfs.opened(7):
        assert procfs.read_net("tcp") == (net / "tcp").read_bytes()
        assert procfs.has_table("udp")
        assert not procfs.has_table("udplite")
        assert procfs.read_net("missing") is None
        assert procfs.read_sysctl("net/ipv4/ip_local_port_range") is None
        assert not procfs.shows_own_namespace()
    assert open_files() == before
    with pytest.raises(ProcfsError, match="closed"):
        procfs.read_net("tcp")


def test_a_process_that_is_gone_or_elsewhere_is_not_taken_for_it(tree: NamespacesTree) -> None:
    net, other = tree.add_namespace(), tree.add_namespace()
    tree.add_process(7, other)
    tree.add_process(8, None)
    for pid in (7, 8, 9):
        with pytest.raises(NamespaceGoneError), view(tree, net).opened(pid):
            pass


def test_a_process_that_leaves_meanwhile_is_noticed(tree: NamespacesTree) -> None:
    net = tree.add_namespace()
    tree.add_process(7, net)
    procfs = view(tree, net)
    with procfs.opened(7):
        (net / "tcp").unlink()
        with pytest.raises(ProcfsError, match="gone"):
            procfs.has_table("udp6")
        with pytest.raises(NamespaceGoneError):
            procfs.check_there()


def test_fingerprint_changes_with_its_files_and_says_which_tables_have_rows(tree: NamespacesTree) -> None:
    net = tree.add_namespace(Printed(80))
    tree.add_process(7, net)
    procfs = view(tree, net)

    def fingerprint() -> Fingerprint:
        with procfs.opened(7):
            return read_fingerprint(procfs)

    with procfs.opened(7):
        filled = set(find_filled(read_fingerprint(procfs)))
    assert filled & {"tcp", "tcp6", "udp", "udp6"} == {"tcp"}
    before = fingerprint()
    text = (net / "sockstat").read_text()
    (net / "sockstat").write_text(text.replace("alloc 9", "alloc 77").replace("orphan 0", "orphan 5"))
    assert fingerprint() == before  # those are the whole host's
    for name, old, new in (
        ("sockstat", "tw 0", "tw 1"),
        ("sockstat", "UDP: inuse 0", "UDP: inuse 1"),
        ("sockstat6", "TCP6: inuse 0", "TCP6: inuse 1"),
        ("snmp", "Tcp: 1", "Tcp: 2"),
    ):
        kept = (net / name).read_text()
        (net / name).write_text(kept.replace(old, new))
        assert fingerprint() != before
        (net / name).write_text(kept)
    assert fingerprint() == before


def test_time_wait_may_be_in_either_table(tree: NamespacesTree) -> None:
    net = tree.add_namespace()
    tree.add_process(7, net)
    (net / "sockstat").write_text("TCP: inuse 0 orphan 0 tw 3 alloc 0 mem 0\n")
    procfs = view(tree, net)
    with procfs.opened(7):
        assert {"tcp", "tcp6"} <= set(find_filled(read_fingerprint(procfs)))


@pytest.mark.parametrize("content", [b"", b"\0\xff" * 9, b"TCP: inuse x\n", b"Tcp: a\n", b"Tcp: a\nTcp: 1"])
def test_what_it_cannot_parse_is_read(tree: NamespacesTree, content: bytes) -> None:
    """A table that may have rows is not skipped."""
    net = tree.add_namespace()
    tree.add_process(7, net)
    for name in ("sockstat", "sockstat6", "snmp"):
        (net / name).write_bytes(content)
    procfs = view(tree, net)
    with procfs.opened(7):
        assert set(TABLES) == set(find_filled(read_fingerprint(procfs)))
