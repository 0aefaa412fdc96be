"""Of many reads in one batch, only those that hang are left out."""

from pathlib import Path
from threading import Event
from typing import NamedTuple

import pytest

from exporter.kernel.procfs import Procfs
from exporter.sampling.reading.batches import MOST_HANGS, Batches
from exporter.sampling.reading.reader import KernelReader
from tests.support.patience import wait_until
from tests.support.procfs_tree import ProcfsTree


class Item(NamedTuple):
    """Something to read."""

    number: int


ITEMS = [Item(number) for number in range(6)]


class Work:
    """Notes what is read, and hangs at some."""

    def __init__(self, *hanging: int) -> None:
        self.done: list[int] = []
        self.release = Event()
        self._hanging = hanging

    def read(self, procfs: Procfs, item: Item) -> None:
        """Read one."""
        del procfs
        if item.number in self._hanging:
            self.release.wait()
        self.done.append(item.number)


@pytest.fixture
def batches(tmp_path: Path) -> Batches[Item]:
    """Return batches over a procfs."""
    return Batches(KernelReader(ProcfsTree(tmp_path).procfs(), "procfs"), "batches")


def test_all_are_read_in_their_order(batches: Batches[Item]) -> None:
    work = Work()
    assert batches.run(ITEMS, work.read, 1.0, 1.0) == []
    assert work.done == [0, 1, 2, 3, 4, 5]


def test_none_is_begun_when_the_time_is_up(batches: Batches[Item]) -> None:
    work = Work()
    batches.run(ITEMS, work.read, 0.0, 1.0)
    assert work.done == []


def test_what_hangs_is_left_out_until_it_ends(batches: Batches[Item]) -> None:
    work = Work(2)
    assert batches.run(ITEMS, work.read, 1.0, 0.1) == [Item(2)]
    assert work.done == [0, 1, 3, 4, 5]
    batches.forget_finished()
    assert batches.is_hanging(Item(2))
    work.release.set()

    def has_ended() -> bool:
        batches.forget_finished()
        return not batches.is_hanging(Item(2))

    wait_until(has_ended)
    assert work.done == [0, 1, 3, 4, 5, 2]


def test_after_some_hangs_a_pass_reads_no_more(batches: Batches[Item]) -> None:
    work = Work(*range(6))
    stuck = batches.run(ITEMS, work.read, 1.0, 0.05)
    assert len(stuck) == MOST_HANGS
    work.release.set()
