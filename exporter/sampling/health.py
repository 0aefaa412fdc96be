"""Sum up how reading the tables went, and log it when it changes, not pass by pass."""

from collections import Counter

import structlog

from exporter.kernel.netlink import SockDiagError
from exporter.kernel.procfs import ProcfsError
from exporter.kernel.procnet import ProcnetError
from exporter.sampling.reader import Reading
from exporter.sampling.snapshot import TableStatus
from exporter.sampling.sources import PROCFS
from exporter.sampling.worker import HangError

log = structlog.get_logger()


class Health:
    """What became of the tables until now."""

    def __init__(self) -> None:
        self._errors: dict[tuple[str, str], str] = {}
        self._sources: dict[str, str] = {}
        self._netlink_errors: dict[str, str] = {}
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
        if error is None:
            log.info("works again", **{kind: name})
        else:
            expected = isinstance(error, ProcfsError | ProcnetError | SockDiagError | HangError)
            log.error("failed", error=message, exc_info=None if expected else error, **{kind: name})

    def _log_source(self, table: str, reading: Reading) -> None:
        if reading.netlink_error and str(reading.netlink_error) != self._netlink_errors.get(table):
            self._netlink_errors[table] = str(reading.netlink_error)
            log.warning(
                "netlink failed, it will be tried again", table=table, error=str(reading.netlink_error)
            )
        if reading.count and reading.source != self._sources.get(table, PROCFS):
            rows = reading.count.listed
            log.info("table is read by another source", table=table, source=reading.source, rows=rows)
            self._sources[table] = reading.source
            self._netlink_errors.pop(table, None)
