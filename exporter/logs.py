"""Write the log to standard error, one event a line, as logfmt or JSON, without ever waiting for its reader.

Lines wait in a queue for the one thread that writes them. While that thread waits, for a full pipe or a
stopped terminal, the queue fills. Lines that do not fit are dropped and counted. O_NONBLOCK is no solution:
it belongs to the open file, which other processes may share.
"""

import contextlib
import io
import logging
import os
import sys
import threading
from collections import deque
from typing import Final

import structlog

_FIRST_KEYS: Final = ("ts", "level", "msg")
_MAX_BYTES: Final = 64 << 10
_FLUSH_SECONDS: Final = 0.5
_PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # syslog(3)


class _Writer(logging.Handler):
    """Hands lines to a thread that writes them to a descriptor; ``lost`` counts those it could not."""

    def __init__(self, descriptor: int | None) -> None:
        super().__init__()
        self.lost = 0
        self._descriptor = descriptor
        self._journalled = descriptor is not None and _leads_to_the_journal(descriptor)
        self._lines = deque[bytes]()
        self._bytes = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line, or drop it."""
        try:
            priority = f"<{_PRIORITIES[record.levelname.lower()]}>" if self._journalled else ""
            line = f"{priority}{self.format(record)}\n".encode(errors="backslashreplace")
        except Exception:  # noqa: BLE001 - no scrape may fail because an event cannot be rendered
            self.lost += 1
            return
        with self._changed:
            if self._bytes + len(line) > _MAX_BYTES or not self._has_thread():
                self.lost += 1
                return
            self._lines.append(line)
            self._bytes += len(line)
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until all lines are written, but not for long."""
        with self._changed:
            self._changed.wait_for(lambda: self._bytes == 0, _FLUSH_SECONDS)

    def _has_thread(self) -> bool:
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="log", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # no thread can be started for now
                self._thread = None
        return self._thread is not None

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
                line = self._lines.popleft()
            is_written = self._write_line(line)
            with self._changed:
                self._bytes -= len(line)
                self.lost += not is_written
                self._changed.notify_all()

    def _write_line(self, line: bytes) -> bool:
        if self._descriptor is None:
            return False
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError:  # closed, or its disk full
            return False
        return True


_writer: _Writer | None = None


def configure_logging(level: str, form: str) -> None:
    """Send every event of at least ``level``, ours and the libraries', to standard error in one format."""
    global _writer  # noqa: PLW0603 - there is one standard error
    logging.raiseExceptions = False
    logging.getLogger("asyncio").setLevel(logging.WARNING)  # below that it logs its own start
    render: structlog.typing.Processor = structlog.processors.LogfmtRenderer(bool_as_flag=False)
    if form == "json":
        render = structlog.processors.JSONRenderer()
    wrap = structlog.stdlib.ProcessorFormatter.wrap_for_formatter
    common: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("msg"),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *common, wrap],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    _writer = _Writer(_find_standard_error())
    _writer.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _put_first, render],
            foreign_pre_chain=common,
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[_writer], force=True)


def count_lost_lines() -> int:
    """Return how many lines standard error did not take."""
    return _writer.lost if _writer else 0


def _put_first(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Put the same keys first in every line."""
    return {**{key: event[key] for key in _FIRST_KEYS}, **event}


def _find_standard_error() -> int | None:
    """Return its descriptor; None where it was closed before we started."""
    with contextlib.suppress(OSError, ValueError, io.UnsupportedOperation):
        if sys.__stderr__:
            return sys.__stderr__.fileno()
    return None


def _leads_to_the_journal(descriptor: int) -> bool:
    """Return whether systemd's journal reads what is written there; see systemd.exec(5), JOURNAL_STREAM."""
    status = os.fstat(descriptor)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
