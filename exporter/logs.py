"""Write the log to standard error, one event a line, as logfmt or JSON."""

import io
import logging
import os
import sys
from typing import Final, TextIO

import structlog

LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("logfmt", "json")

_FIRST_KEYS: Final = ("ts", "level", "msg")


def configure_logging(level: str, form: str) -> None:
    """Send every event of at least ``level``, ours and the libraries', to standard error in one format.

    A line that cannot be written, because standard error is closed or its disk full, is lost in silence:
    no scrape may fail for it.
    """
    logging.raiseExceptions = False
    logging.getLogger("asyncio").setLevel(logging.WARNING)  # below that it tells of itself
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
    handler = logging.StreamHandler(_open_standard_error())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _put_first, render],
            foreign_pre_chain=common,
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _put_first(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Have every line begin alike."""
    return {**{key: event[key] for key in _FIRST_KEYS}, **event}


def _open_standard_error() -> TextIO:
    """Return a stream that buffers nothing, so that a line that was lost does not come back at the exit."""
    try:
        raw = io.FileIO(sys.__stderr__.fileno() if sys.__stderr__ else -1, "wb", closefd=False)
    except (OSError, ValueError):  # it was closed before we started
        raw = io.FileIO(os.devnull, "wb")
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
