"""A procfs whose files fail or hang as no file of a test can be made to."""

from collections.abc import Collection, Generator
from pathlib import Path
from threading import Event
from typing import Self

from exporter.kernel.procfs import Procfs, ProcfsError


class FailingProcfs(Procfs):
    """Gives the first block of one table, and then an error; without one it is a plain procfs."""

    def __init__(self, root: Path, table: str, error: Exception | None = None) -> None:
        super().__init__(str(root))
        self.error = error
        self._table = table

    def read_blocks(self, table: str, deadline: float) -> Generator[bytes, None, None] | None:
        """Return the blocks of a table, among which may be the error."""
        blocks = super().read_blocks(table, deadline)
        return blocks if blocks is None or table != self._table else self._fail(blocks)

    def _fail(self, blocks: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
        yield next(blocks)
        if self.error:
            raise self.error
        yield from blocks


class CountingProcfs(Procfs):
    """Counts how often one table is read, from 1 on; reads with these numbers fail."""

    def __init__(self, root: Path, table: str, failing: Collection[int] = ()) -> None:
        super().__init__(str(root))
        self.reads = 0
        self._table = table
        self._failing = failing

    def read_blocks(self, table: str, deadline: float) -> Generator[bytes, None, None] | None:
        """Return the blocks of a table."""
        if table == self._table:
            self.reads += 1
            if self.reads in self._failing:
                raise ProcfsError(f"{table}: as a test wants it")
        return super().read_blocks(table, deadline)


class HangingProcfs(Procfs):
    """Hangs in the reads of one table until it is released, as a file system does whose server is gone."""

    def __init__(self, root: Path, table: str) -> None:
        super().__init__(str(root))
        self.reads = 0
        self.release = Event()
        self._table = table

    def read_blocks(self, table: str, deadline: float) -> Generator[bytes, None, None] | None:
        """Return the blocks of a table, after a while."""
        if table == self._table:
            self.reads += 1
            self.release.wait()
        return super().read_blocks(table, deadline)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
