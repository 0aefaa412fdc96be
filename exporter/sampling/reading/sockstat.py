"""Read the kernel's own counters of sockets, and keep the newest."""

import math
from collections.abc import Mapping
from time import monotonic
from typing import Final

from exporter.kernel.counters import Numbers, parse_sockstat
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.sampling.reading.guard import HangError, Reads

HANG_SECONDS: Final = 1.0
RECENT_SECONDS: Final = 0.05


class Sockstat:
    """Reads sockstat and sockstat6; ``newest`` has their numbers, by the names of their lines.

    It is empty if they could not be read.
    """

    def __init__(self, procfs: Procfs, guard: Reads) -> None:
        self.newest: Mapping[str, Numbers] = {}
        self._procfs, self._guard = procfs, guard
        self._error: HangError | ProcfsError | None = None
        self._read_at = -math.inf

    def read_recent(self) -> Mapping[str, Numbers]:
        """Return numbers that are at most 50 ms old: small tables are read in less."""
        return self.newest if monotonic() - self._read_at <= RECENT_SECONDS else self.read()

    def read(self) -> Mapping[str, Numbers]:
        """Read the numbers of now, and return them."""
        try:
            self.newest, self._error = self._guard.read("sockstat", self._parse, HANG_SECONDS)
        except HangError as error:
            self.newest, self._error = {}, error
        self._read_at = monotonic()
        return self.newest

    def unwrap(self) -> Mapping[str, Numbers]:
        """Return the newest numbers; raises HangError or ProcfsError if sockstat could not be read."""
        if self._error is not None:
            raise self._error
        return self.newest

    def _parse(self) -> tuple[Mapping[str, Numbers], ProcfsError | None]:
        """Return the numbers of the files that could be read, and what went wrong with sockstat."""
        found: dict[str, Numbers] = {}
        errors: dict[str, ProcfsError] = {}
        for name in ("sockstat", "sockstat6"):
            try:
                found.update(parse_sockstat(self._procfs.read_net(name) or b""))
            except ProcfsError as error:  # the tables may still be readable
                errors[name] = error
        return found, errors.get("sockstat")
