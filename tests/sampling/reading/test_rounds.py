"""Of many reads in one round, only those that hang are left out."""

from pathlib import Path
from threading import Event
from typing import NamedTuple

import pytest

from exporter.kernel.procfs import Procfs
from exporter.sampling.reading.reader import KernelReader
from exporter.sampling.reading.rounds import MOST_HANGS, Rounds
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
def rounds(tmp_path: Path) -> Rounds[Item]:
    """Return rounds over a procfs."""
    return Rounds(KernelReader(ProcfsTree(tmp_path).procfs(), "procfs"), "rounds")


def test_all_are_read_in_their_order(rounds: Rounds[Item]) -> None:
    work = Work()
    assert rounds.run(ITEMS, work.read, 1.0, 1.0) == []
    assert work.done == [0, 1, 2, 3, 4, 5]


def test_none_is_begun_when_the_time_is_up(rounds: Rounds[Item]) -> None:
    work = Work()
    rounds.run(ITEMS, work.read, 0.0, 1.0)
    assert work.done == []


def test_what_hangs_is_left_out_until_it_ends(rounds: Rounds[Item]) -> None:
    work = Work(2)
    assert rounds.run(ITEMS, work.read, 1.0, 0.1) == [Item(2)]
    assert work.done == [0, 1, 3, 4, 5]
    rounds.forget_finished()
    assert rounds.is_hanging(Item(2))
    work.release.set()

    def has_ended() -> bool:
        rounds.forget_finished()
        return not rounds.is_hanging(Item(2))

    wait_until(has_ended)
    assert work.done == [0, 1, 3, 4, 5, 2]


def test_after_some_hangs_a_pass_reads_no_more(rounds: Rounds[Item]) -> None:
    work = Work(*range(6))
    stuck = rounds.run(ITEMS, work.read, 1.0, 0.05)
    assert len(stuck) == MOST_HANGS
    work.release.set()
