"""Reload the web configuration when it, or a certificate that it names, has changed.

While it is invalid, every request is answered with 500.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from exporter.serving.security import Security
from exporter.serving.web_config import WebConfig, WebConfigError, load_web_config

_PAUSE_SECONDS: Final = 1.0

log = structlog.get_logger()


class WebWatch:
    """Checks the files once a second, in a thread of its own: a disk may be slow, or gone.

    The path of the configuration is the first of its files. ``on_change`` is called after a change.
    """

    def __init__(self, web: WebConfig, security: Security, on_change: Callable[[], None]) -> None:
        self._path = web.files[0]
        self._files = web.files
        self._seen = describe_files(web.files)
        self._security = security
        self._on_change = on_change
        self._problems: Sequence[str] = ()

    def run(self) -> None:
        """Check for changes, forever."""
        while True:
            time.sleep(_PAUSE_SECONDS)
            self.check()

    def check(self) -> None:
        """Reload the files if they have changed, or are invalid: they may become valid without a change."""
        seen = describe_files(self._files)
        if seen == self._seen and not self._security.is_broken:
            return
        try:
            web = load_web_config(self._path)
        except WebConfigError as error:
            self._close(error.problems)
        except Exception:  # an unknown error must not open access
            if not self._security.is_broken:
                log.exception("web configuration unreadable, answering every request with 500")
            self._security.is_broken = True
        else:
            self._files = web.files
            self._seen = describe_files(web.files)
            self._security.settings = web.settings
            self._security.is_broken = False
            self._problems = ()
            log.info("web configuration reloaded", file=self._path)
            self._on_change()

    def _close(self, problems: Sequence[str]) -> None:
        self._security.is_broken = True
        if problems != self._problems:
            self._problems = problems
            for problem in problems:
                log.error("web configuration invalid, answering every request with 500", problem=problem)


def describe_files(paths: Sequence[str]) -> list[tuple[int, ...]]:
    """Return what changes when a file is written, replaced, or linked to another."""
    return [_describe(path) for path in paths]


def _describe(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError as error:
        return (error.errno or 0,)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
