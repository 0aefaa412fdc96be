"""Namespaces are found by their processes, and never taken for others."""

from pathlib import Path

import pytest

from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.sampling.reading.namespace_finder import FoundNamespace, NamespaceFinder
from tests.support.namespaces_tree import NamespacesTree


class Search:
    """Finds the namespaces of a tree."""

    def __init__(self, root: Path) -> None:
        self.tree = NamespacesTree(root)
        self.finder = NamespaceFinder()

    def find(self, limit: int = 2000) -> dict[int, FoundNamespace]:
        """Return the namespaces by inode."""
        seen = self.finder.search(Procfs(str(self.tree.root)), limit)
        return {each.inode: each for each in self.finder.finish(seen)}


@pytest.fixture
def search(tmp_path: Path) -> Search:
    """Lay out a host."""
    return Search(tmp_path)


def inode_of(net: Path) -> int:
    """Return the number of a namespace."""
    return (net / "tcp").stat().st_ino


def test_processes_of_one_namespace_are_one_the_oldest_first(search: Search) -> None:
    net = search.tree.add_namespace()
    search.tree.add_process(7, net, started=30)
    search.tree.add_process(8, net, started=20)
    search.tree.add_process(9, search.tree.host)
    assert [tuple(each.processes) for each in search.find().values()] == [(8, 7)]


def test_a_zombie_is_in_none(search: Search) -> None:
    search.tree.add_process(7, None)
    assert search.find() == {}
    assert search.finder.denied == 0


def test_a_namespace_lasts_as_long_as_one_of_its_processes(search: Search) -> None:
    net = search.tree.add_namespace()
    search.tree.add_process(7, net)
    first = search.find()[inode_of(net)]
    search.tree.add_process(8, net, started=2)
    assert search.find()[inode_of(net)].number == first.number
    search.tree.remove_process(7)
    assert search.find()[inode_of(net)] == first._replace(processes=[8])


def test_an_inode_that_is_used_again_is_another_namespace(search: Search) -> None:
    """Also where the number of the process is the same, as of a container that is made anew."""
    net = search.tree.add_namespace()
    search.tree.add_process(7, net, started=1)
    first = search.find()[inode_of(net)]
    (search.tree.root / "7").rename(search.tree.root / "keeps the inode of the folder")
    search.tree.add_process(7, net, started=5)
    assert search.find()[inode_of(net)].number != first.number


def test_a_search_that_never_ends_costs_no_number(search: Search) -> None:
    """What is known of a namespace, such as ages, is found by its number."""
    net = search.tree.add_namespace()
    search.tree.add_process(7, net)
    first = search.find()[inode_of(net)]
    search.finder.search(Procfs(str(search.tree.root)))
    other = search.tree.add_namespace()
    search.tree.add_process(6, other)
    found = search.find()
    assert found[inode_of(net)] == first
    assert found[inode_of(other)].number != first.number


def test_a_process_that_is_gone_before_its_start_is_read_is_not_the_oldest(search: Search) -> None:
    net = search.tree.add_namespace()
    search.tree.add_process(7, net, started=20)
    (search.tree.add_process(8, net) / "stat").unlink()
    assert [tuple(each.processes) for each in search.find().values()] == [(7,)]


def test_a_process_that_is_denied_is_counted_in_every_pass(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = search.tree.add_namespace()
    search.tree.add_process(7, net)
    find = Procfs.find_namespace

    def deny(procfs: Procfs, pid: int) -> int | None:
        if pid == 7:
            raise ProcfsError("denied")
        return find(procfs, pid)

    monkeypatch.setattr(Procfs, "find_namespace", deny)
    for _ in range(12):
        assert search.find() == {}
        assert search.finder.denied == 1


def test_none_are_found_where_the_host_itself_cannot_be_told_from_them(search: Search) -> None:
    search.tree.add_process(7, search.tree.host)
    procfs = Procfs(str(search.tree.root))
    (search.tree.root / "1" / "net").unlink()
    assert search.finder.finish(search.finder.search(procfs)) == []


def test_a_process_that_is_still_young_is_asked_again(search: Search) -> None:
    net = search.tree.add_namespace()
    folder = search.tree.add_process(7, search.tree.host)
    assert search.find() == {}
    (folder / "net").unlink()
    (folder / "net").symlink_to(net)
    assert list(search.find()) == [inode_of(net)]


def test_an_old_process_is_asked_within_a_minute(search: Search) -> None:
    net = search.tree.add_namespace()
    folder = search.tree.add_process(7, search.tree.host)
    for _ in range(5):
        search.find()
    (folder / "net").unlink()
    (folder / "net").symlink_to(net)
    assert any(search.find() for _ in range(12))


def test_very_many_processes_are_spread_over_passes(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    for pid in range(1000, 1000 + 300):
        search.tree.add_process(pid, search.tree.host)
    last = search.tree.add_namespace()
    search.tree.add_process(99_999, last)
    asked = []
    find = Procfs.find_namespace

    def count(procfs: Procfs, pid: int) -> int | None:
        asked.append(pid)
        return find(procfs, pid)

    monkeypatch.setattr(Procfs, "find_namespace", count)
    passes = 0
    while not search.find(limit=100):
        passes += 1
        assert len(asked) <= 100 * passes
    assert passes <= 12  # young ones are asked again
