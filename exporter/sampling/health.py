"""Sum up how reading the tables went, and log it when it changes, not pass by pass."""

from collections import Counter
from typing import Final

import structlog

from exporter.kernel.netlink import SockDiagError
from exporter.kernel.procfs import ProcfsError
from exporter.kernel.procnet import ProcnetError
from exporter.sampling.reader import Reading
from exporter.sampling.snapshot import TableStatus
from exporter.sampling.sources import NETLINK
from exporter.sampling.worker import HangError

log = structlog.get_logger()

_CHANGES: Final = {
    "table": ("table cannot be read", "table can be read again"),
    "capability": ("capability failed", "capability works again"),
    "netlink": ("netlink failed, it will be tried again", "netlink works again"),
}
"""What is logged, by what it is about: when it fails, and when it works again."""


class Health:
    """What became of the tables until now."""

    def __init__(self) -> None:
        self._errors: dict[tuple[str, str], str] = {}
        self._sources: dict[str, str] = {}
        self._malformed = Counter[str]()
        self._repeated = Counter[str]()

    def describe(self, table: str, reading: Reading) -> TableStatus:
        """Return the status of a table after a reading."""
        self.log_change("table", table, reading.error)
        self._log_source(table, reading)
        listed = 0
        if reading.count:
            listed = reading.count.listed
            self._malformed[table] += reading.count.malformed
            self._repeated[table] += reading.count.repeated
        return TableStatus(
            table=table,
            source=reading.source,
            success=reading.error is None,
            duration_seconds=reading.duration_seconds,
            rows=listed,
            malformed_rows_total=self._malformed[table],
            repeated_rows_total=self._repeated[table],
        )

    def log_change(self, kind: str, name: str, error: Exception | None) -> None:
        """Log when a thing of some kind, such as a table, begins to fail, or works again."""
        message = "" if error is None else str(error) or repr(error)
        if message == self._errors.get((kind, name), ""):
            return
        self._errors[kind, name] = message
        failed, recovered = _CHANGES[kind]
        about = {"capability" if kind == "capability" else "table": name}
        if error is None:
            log.info(recovered, **about)
        else:
            expected = isinstance(error, ProcfsError | ProcnetError | SockDiagError | HangError)
            log.error(failed, error=message, exc_info=None if expected else error, **about)

    def _log_source(self, table: str, reading: Reading) -> None:
        """Log that netlink fails, or that the table is read by another source than at the last pass."""
        count = reading.count
        if reading.netlink_error or reading.source == NETLINK or (count and count.accept_queue_limits):
            self.log_change("netlink", table, reading.netlink_error)
        if count:
            source = reading.source
            if source != self._sources.get(table, source):
                log.info("table is read by another source now", table=table, source=source, rows=count.listed)
            self._sources[table] = source
