"""Go through many small reads in one guarded read; if it hangs, only what hangs is left out.

To guard each of hundreds of reads by itself would cost more than the reads.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from time import thread_time
from typing import Final, Generic, Protocol, TypeVar

from exporter.kernel.procfs import Procfs
from exporter.sampling.reading.guard import HangError
from exporter.sampling.reading.reader import KernelReader

MOST_HANGS: Final = 2
"""After so many hangs a pass reads no more."""

MOST_HANGING: Final = 8
"""While so many reads hang, each with its thread, no others begin."""


class Numbered(Protocol):
    """Something to read; ``number`` identifies it while it hangs."""

    @property
    def number(self) -> int:
        """A number that nothing else has."""


Item = TypeVar("Item", bound=Numbered)


class _Batch(Generic[Item]):
    """One go through some items; ``at`` is the one that is being read."""

    def __init__(self, waiting: Iterable[Item], work: Callable[[Procfs, Item], None]) -> None:
        self.waiting = deque(waiting)
        self.at: Item | None = None
        self.is_abandoned = False
        self._work = work

    def run(self, procfs: Procfs, limit_seconds: float) -> None:
        started = thread_time()
        while self.waiting and not self.is_abandoned and thread_time() - started < limit_seconds:
            self.at = self.waiting.popleft()
            self._work(procfs, self.at)


class Batches(Generic[Item]):
    """Remembers which reads still hang."""

    def __init__(self, reader: KernelReader, name: str) -> None:
        self._reader = reader
        self._name = name
        self._begun = 0
        self._hanging: dict[int, str] = {}

    def is_hanging(self, item: Item) -> bool:
        """Return whether the last read of an item still hangs."""
        return item.number in self._hanging

    def forget_finished(self) -> None:
        """Forget the reads that have finished."""
        self._hanging = {
            number: name for number, name in self._hanging.items() if self._reader.is_hanging(name)
        }

    def run(
        self,
        items: Iterable[Item],
        work: Callable[[Procfs, Item], None],
        limit_seconds: float,
        timeout_seconds: float,
    ) -> Sequence[Item]:
        """Read the items in their order, and return those that hang.

        ``limit_seconds`` is CPU time, after which no other read begins. Work that hung may still end, and
        must not change what is used by then.
        """
        waiting, stuck = [*items], list[Item]()
        while waiting and len(stuck) < MOST_HANGS and len(self._hanging) < MOST_HANGING:
            self._begun += 1
            name = f"{self._name} {self._begun}"
            batch = _Batch(waiting, work)
            try:
                self._reader.read(name, partial(batch.run, limit_seconds=limit_seconds), timeout_seconds)
            except HangError:
                batch.is_abandoned = True
                if batch.at is None:  # no thread could be started
                    break
                waiting = list(batch.waiting)
                self._hanging[batch.at.number] = name
                stuck.append(batch.at)
            else:
                break
        return stuck
