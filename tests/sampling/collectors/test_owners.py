"""Every watched socket has one owner: one that is named, other, or unknown."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sampling.capability import Pass
from exporter.sampling.owners import OWNER_SOCKETS, UNATTRIBUTED, Owners
from exporter.sampling.settings import Settings
from exporter.sampling.watched import Group, Watched
from tests.kernel.test_cgroups import lay_out
from tests.kernel.test_processes import SOCKET, Printed, add
from tests.support.sampling.passes import SERIES, pass_over, watch
from tests.support.sampling.watched import SETTINGS

UNIT = replace(SETTINGS, owners_by="unit")
NO_SUCH_CGROUP = 1 << 60


class Tree:
    """A tree of cgroups with services a, b, c and so on, as one that sockets are created in."""

    def __init__(self, folder: Path) -> None:
        tree, mount = lay_out(folder)
        self.root = tree.root
        self.ids: list[int] = []
        for letter in "abcdefgh":
            service = mount / f"{letter}.service"
            service.mkdir()
            self.ids.append(service.stat().st_ino)

    def watch(self, numbers: Sequence[int], unknown: int = 0) -> Watched:
        """Return so many sockets of each service, and some of a cgroup that is gone."""
        watched = Watched([Group(SERIES, cgroup_id) for cgroup_id in (*self.ids, NO_SUCH_CGROUP)])
        for place, number in enumerate((*numbers, *[0] * (len(self.ids) - len(numbers)), unknown)):
            watched.places.extend([place] * number)
        watched.keys.extend(range(len(watched.places)))
        watched.inodes.extend([0] * len(watched.places))
        return watched

    def seen(self, numbers: Sequence[int], unknown: int = 0, limit: int = 50, now: float = 100) -> Pass:
        """Return a pass that found them."""
        settings = replace(UNIT, owners_limit=limit)
        return pass_over({"tcp": self.watch(numbers, unknown)}, settings, now, self.root)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Lay out a tree."""
    return Tree(tmp_path)


def owners_of(owners: Owners, seen: Pass) -> dict[str, float]:
    """Return sockets by owner, all of which are in one series."""
    found = owners.measure(seen)[OWNER_SOCKETS]
    assert {SERIES.port} == {labels[3] for labels in found} or not found
    return {labels[-1]: number for labels, number in found.items()}


def test_sockets_are_counted_by_owner(tree: Tree) -> None:
    owners = Owners()
    seen = tree.seen([3, 2], unknown=4)
    assert {"a.service": 3, "b.service": 2, "unknown": 4} == owners_of(owners, seen)
    assert {(): 4} == owners.measure(seen)[UNATTRIBUTED]


def test_owner_of_lately_stays_at_zero_for_an_hour(tree: Tree) -> None:
    owners = Owners()
    owners_of(owners, tree.seen([3], now=100))
    assert {"a.service": 0, "b.service": 1} == owners_of(owners, tree.seen([0, 1], now=3700))
    assert {"b.service": 1} == owners_of(owners, tree.seen([0, 1], now=3701))


def test_zero_goes_with_the_series_of_the_port(tree: Tree) -> None:
    owners = Owners()
    owners_of(owners, tree.seen([3]))
    seen = tree.seen([])
    seen.series.sockets.clear()
    assert {} == owners_of(owners, seen)


@pytest.mark.parametrize(
    ("program", "owner"),
    [
        (b"shop", "shop"),
        (b"a\xff\n", "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
        (b"", "unknown"),
    ],
)
def test_program_without_a_unit_is_named(tree: Tree, program: bytes, owner: str) -> None:
    """Whatever it calls itself; an empty label would be none."""
    add(tree.root, 30, Printed(program, cgroup="0::/\n"))
    seen = pass_over({"tcp": watch(1, inode=SOCKET)}, replace(SETTINGS, owners_by="process"), 100, tree.root)
    assert {owner: 1} == owners_of(Owners(), seen)


@given(numbers=st.lists(st.integers(0, 30), max_size=8), unknown=st.integers(0, 5), limit=st.integers(1, 9))
def test_no_more_names_than_allowed_and_no_socket_lost(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], unknown: int, limit: int
) -> None:
    """Pass after pass, whoever has the most."""
    tree, owners = Tree(tmp_path_factory.mktemp("tree")), Owners()
    for turned in (numbers, numbers[::-1]):
        found = owners_of(owners, tree.seen(turned, unknown, limit))
        assert sum(turned) + unknown == sum(found.values())
        assert unknown == found.pop("unknown", 0)
        found.pop("other", None)
        assert limit >= len(found)
        expected = Counter(dict(zip("abcdefgh", turned, strict=False)))
        assert all(number in {0, expected[name[0]]} for name, number in found.items())


@pytest.mark.parametrize("settings", [replace(UNIT, owners_by="none"), replace(UNIT, stuck_states=())])
def test_nothing_is_told_when_switched_off(tree: Tree, settings: Settings) -> None:
    assert {} == Owners().measure(replace(tree.seen([3]), settings=settings))


def holds_a_folder_open(tree: Tree) -> bool:
    """Tell whether this process has any directory around the tree open."""
    opened = map(os.path.realpath, Path("/proc/self/fd").iterdir())
    return any(tree.root.parent in Path(each).parents for each in opened)


@pytest.mark.parametrize("way", ["none", "process"])
def test_a_search_that_is_no_longer_wanted_is_given_up(tree: Tree, way: str) -> None:
    """It was in the middle of a directory."""
    owners, seen = Owners(), tree.seen([3])
    for _ in range(2):
        owners.measure(replace(seen, settings=replace(UNIT, cpu_budget=1e-9)))
    assert holds_a_folder_open(tree)
    owners.measure(replace(seen, settings=replace(UNIT, owners_by=way)))
    assert not holds_a_folder_open(tree)


def test_without_cgroups_all_are_unknown(tree: Tree) -> None:
    """And no zero is told of it."""
    (tree.root / "self" / "mountinfo").unlink()
    assert {"unknown": 5} == owners_of(Owners(), tree.seen([3, 2]))
