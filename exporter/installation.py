"""Say where the exporter is installed, and notice another distribution that shares its files.

The import package is called ``exporter``, as that of other distributions may be. Whichever is installed
last overwrites files of the other. So nothing else of the package is imported here, and what pip and
setuptools note is read without importlib.metadata, which takes a megabyte of memory.

Format: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

import contextlib
import os
import re
from collections.abc import Iterator
from typing import Final

import exporter

PACKAGE: Final = os.path.dirname(os.path.abspath(__file__))
"""The folder of the package."""

_OWN: Final = "netstat_exporter-"
_NOTES: Final = {
    ".dist-info": ("RECORD", re.compile(rb'^"?exporter/', re.MULTILINE)),
    ".egg-info": ("top_level.txt", re.compile(rb"^exporter\s*$", re.MULTILINE)),
}
"""By the end of a folder's name: the file that says what a distribution brought, and what is ours in it."""


def find_conflict(package: str = PACKAGE) -> str | None:
    """Return why the package cannot be relied on, or None: a foreign distribution has files in it."""
    for name in _find_foreign(os.path.dirname(package)):
        return (
            f"{name} has an import package called exporter, too, and both are installed in {package}: "
            "files of one have replaced files of the other"
        )
    if not hasattr(exporter, "__version__"):
        return f"{package}/__init__.py is missing, or that of another distribution"
    return None


def _find_foreign(folder: str) -> Iterator[str]:
    """Yield the other distributions in a folder that have files of a package called exporter."""
    try:
        entries = sorted(os.listdir(folder))
    except OSError:  # it may be imported from, but not listed
        return
    for entry in entries:
        stem, end = os.path.splitext(entry)
        if end not in _NOTES or entry.startswith(_OWN):
            continue
        note, pattern = _NOTES[end]
        with contextlib.suppress(OSError), open(os.path.join(folder, entry, note), "rb") as file:
            if pattern.search(file.read()):
                yield stem.replace("-", " ", 1)
