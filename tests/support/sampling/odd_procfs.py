"""A procfs whose files fail or hang as no file of a test can be made to, or that counts what is opened."""

from collections import Counter
from collections.abc import Generator
from pathlib import Path
from threading import Event, Semaphore
from typing import Self

from exporter.kernel.procfs import Procfs


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
    """Counts how often each file is opened, and says when a pass begins."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.opened = Counter[str]()
        self.begun = Semaphore(0)

    def read_blocks(self, table: str, deadline: float) -> Generator[bytes, None, None] | None:
        """Return the blocks of a table."""
        self.opened[table] += 1
        return super().read_blocks(table, deadline)

    def read_net(self, name: str) -> bytes | None:
        """Return a file beside the tables."""
        self.opened[name] += 1
        return super().read_net(name)

    def read_sysctl(self, name: str) -> bytes | None:
        """Return a kernel parameter; that of the port range is read first in every pass, and once."""
        if name.endswith("ip_local_port_range"):
            self.begun.release()
        return super().read_sysctl(name)

    def wait_for_pass(self, seconds: float) -> None:
        """Go on when the next pass has begun."""
        assert self.begun.acquire(timeout=seconds)


class HangingProcfs(Procfs):
    """Hangs in the reads of one file until it is released, as a file system does whose server is gone.

    ``name`` is that of a table, of a file beside the tables, or of a kernel parameter.
    """

    def __init__(self, root: Path, name: str) -> None:
        super().__init__(str(root))
        self.reads = 0
        self.release = Event()
        self._name = name

    def read_blocks(self, table: str, deadline: float) -> Generator[bytes, None, None] | None:
        """Return the blocks of a table, after a while."""
        self._hang(table)
        return super().read_blocks(table, deadline)

    def read_net(self, name: str) -> bytes | None:
        """Return a file beside the tables, after a while."""
        self._hang(name)
        return super().read_net(name)

    def read_sysctl(self, name: str) -> bytes | None:
        """Return a kernel parameter, after a while."""
        self._hang(name)
        return super().read_sysctl(name)

    def list_processes(self) -> list[int]:
        """Return the numbers of processes, after a while."""
        self._hang("processes")
        return super().list_processes()

    def _hang(self, name: str) -> None:
        if name == self._name:
            self.reads += 1
            self.release.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
