"""What is looked for is found in as many passes as it takes, and not searched for again without need."""

import tracemalloc
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from threading import Event

import pytest

from exporter.kernel.procfs import Procfs
from exporter.sampling.reading import lookup
from exporter.sampling.reading.guard import HangError
from exporter.sampling.reading.lookup import RETRY_SECONDS, Begin, IncrementalLookup
from exporter.sampling.reading.reader import KernelReader
from tests.support.patience import wait_until
from tests.support.procfs_tree import ProcfsTree

AT_ONCE, AMPLE = 0.0, 60.0


class Place:
    """Things by number, of which every step of a walk looks at one."""

    def __init__(self, **things: int) -> None:
        self.things = {number: name for name, number in things.items()}
        self.steps = 0
        self.walks = 0

    def walk(self, procfs: Procfs, wanted: AbstractSet[int]) -> Iterator[tuple[int, str] | None]:
        """Walk through all, in order."""
        del procfs
        self.walks += 1
        for number, name in sorted(self.things.items()):
            self.steps += 1
            yield (number, name) if number in wanted else None


class Search:
    """Looks up things in a place."""

    def __init__(self, reader: KernelReader) -> None:
        self._lookup = IncrementalLookup[str]("things")
        self._reader = reader

    def find(
        self, keys: AbstractSet[int], begin: Begin[str], now: float, seconds: float
    ) -> Mapping[int, str]:
        """Return what was found by now."""
        return dict(self._lookup.find(keys, begin, self._reader, now, seconds))


@pytest.fixture
def search(tree: ProcfsTree) -> Search:
    """Return a search that nobody has used."""
    return Search(KernelReader(tree.procfs(), "procfs"))


def test_the_walk_ends_where_all_is_found(search: Search) -> None:
    place = Place(a=1, b=2, c=3)
    assert {2: "b"} == search.find({2}, place.walk, 100, AMPLE)
    assert {2: "b"} == search.find({2}, place.walk, 105, AMPLE)
    assert 2 == place.steps


def test_a_walk_without_time_goes_on_at_the_next_pass(search: Search) -> None:
    """A step at a time, and for what has come to be wanted since."""
    place = Place(a=1, b=2, c=3)
    assert {} == search.find({2}, place.walk, 100, AT_ONCE)
    assert {2: "b"} == search.find({2, 3}, place.walk, 105, AT_ONCE)
    assert {2: "b", 3: "c"} == search.find({2, 3}, place.walk, 110, AT_ONCE)
    assert (3, 1) == (place.steps, place.walks)


def test_what_came_too_late_for_a_walk_is_searched_for_at_the_next(search: Search) -> None:
    place = Place(a=1, b=2)
    search.find({2}, place.walk, 100, AT_ONCE)
    assert {2: "b"} == search.find({1, 2}, place.walk, 105, AT_ONCE)
    search.find({1, 2}, place.walk, 110, AMPLE)
    assert {1: "a", 2: "b"} == search.find({1, 2}, place.walk, 115, AMPLE)


def test_what_is_not_there_is_not_searched_for_again_soon(search: Search) -> None:
    place = Place(a=1)
    search.find({7}, place.walk, 1000, AMPLE)
    place.things[7] = "late"
    assert {} == search.find({7}, place.walk, 1000 + RETRY_SECONDS - 1, AMPLE)
    assert 1 == place.walks
    assert {7: "late"} == search.find({7}, place.walk, 1000 + RETRY_SECONDS, AMPLE)


def test_what_is_no_longer_asked_for_is_forgotten(search: Search) -> None:
    place = Place(a=1, b=2)
    search.find({1, 2}, place.walk, 100, AMPLE)
    del place.things[1]
    assert {2: "b"} == search.find({2}, place.walk, 105, AMPLE)
    assert {2: "b"} == search.find({1, 2}, place.walk, 110, AMPLE)


def test_a_long_walk_remembers_no_more_than_is_asked_for(search: Search) -> None:
    """Although all that is asked for is new at every pass."""
    place = Place(**{f"n{number}": number for number in range(300)})
    tracemalloc.start()
    for number in range(200):
        search.find(set(range(number * 1000 + 500, number * 1000 + 1500)), place.walk, 100, AT_ONCE)
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 1 == place.walks
    assert held_bytes < 1 << 20


def test_a_walk_that_failed_is_begun_anew(search: Search) -> None:
    def fail(_: Procfs, __: AbstractSet[int]) -> Iterator[tuple[int, str] | None]:
        yield None
        raise OSError("gone")

    place = Place(a=1, b=2)
    with pytest.raises(OSError, match="gone"):
        search.find({2}, fail, 100, AMPLE)
    assert {2: "b"} == search.find({2}, place.walk, 105, AMPLE)


def test_a_walk_that_hangs_is_begun_anew_when_it_is_over(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile nothing is begun, and that nothing is known is an error, not an answer."""
    monkeypatch.setattr(lookup, "FILE_SECONDS", 0.0)
    release, place = Event(), Place(a=1, b=2)

    def hang(procfs: Procfs, wanted: AbstractSet[int]) -> Iterator[tuple[int, str] | None]:
        release.wait()
        yield from place.walk(procfs, wanted)

    for _ in range(3):
        with pytest.raises(HangError):
            search.find({2}, hang, 100, 0.01)
    assert place.walks == 0
    release.set()

    def is_found() -> bool:
        try:
            return search.find({2}, place.walk, 105, AMPLE) == {2: "b"}
        except HangError:
            return False

    wait_until(is_found)
