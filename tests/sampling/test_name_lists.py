"""Names that others gave are listed when something new is to be named; what fails costs no number."""

from pathlib import Path

import pytest

from exporter.config.settings import PROCFS
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.sampling import name_lists
from exporter.sampling.name_lists import NameLists
from exporter.sampling.other_namespace import OtherNamespace
from exporter.sampling.reading.namespace_finder import FoundNamespace
from exporter.sampling.reading.reader import KernelReader
from tests.support.namespaces_tree import NamespacesTree

BLUE = {5: b"blue"}


class Listing:
    """Counts how often the names of ip netns are listed, and may fail."""

    def __init__(self) -> None:
        self.times = 0
        self.fails = False

    def __call__(self, procfs: Procfs) -> dict[int, bytes]:
        """List them."""
        del procfs
        self.times += 1
        if self.fails:
            raise ProcfsError("denied")
        return BLUE


@pytest.fixture
def listing(monkeypatch: pytest.MonkeyPatch) -> Listing:
    """Count the lists."""
    made = Listing()
    monkeypatch.setattr(name_lists, "list_netns_names", made)
    return made


@pytest.fixture
def lists(tmp_path: Path) -> NameLists:
    """Return lists of a host without names."""
    NamespacesTree(tmp_path)
    return NameLists(KernelReader(Procfs(str(tmp_path)), PROCFS), str(tmp_path / "no pods"))


def found_at(now: float, number: int = 1) -> OtherNamespace:
    """Return a namespace that was found then."""
    return OtherNamespace("/proc", FoundNamespace(number, number, [number]), now)


def test_they_are_listed_only_when_a_namespace_is_new(lists: NameLists, listing: Listing) -> None:
    assert lists.update([], 1.0).netns == {}
    first = found_at(2.0)
    assert [lists.update([first], now).netns for now in (2.0, 3.0, 4.0)] == [BLUE] * 3
    assert listing.times == 1
    lists.update([first, found_at(5.0, 2)], 5.0)
    assert listing.times == 2


def test_what_cannot_be_read_is_no_name_and_is_tried_again(lists: NameLists, listing: Listing) -> None:
    listing.fails = True
    first = found_at(2.0)
    assert lists.update([first], 2.0).netns == {}
    assert lists.netns_error == "denied"
    listing.fails = False
    assert lists.update([first], 3.0).netns == BLUE
    assert lists.netns_error == ""


def test_pods_that_were_listed_keep_their_names_when_a_later_list_fails(tmp_path: Path) -> None:
    NamespacesTree(tmp_path)
    logs = tmp_path / "pods"
    folder = logs / "shop_web_0b1c2d3e-1111-2222-3333-444455556666"
    folder.mkdir(parents=True)
    lists = NameLists(KernelReader(Procfs(str(tmp_path)), PROCFS), str(logs))
    assert len(lists.update([found_at(2.0)], 2.0).pods) == 1
    folder.rmdir()
    logs.rmdir()
    assert len(lists.update([found_at(20.0)], 20.0).pods) == 1
    assert "No such file" in lists.pods_error
