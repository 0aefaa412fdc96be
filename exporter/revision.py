"""Say which commit this is: what is written into a build, or what is checked out in a clone.

Git is not run. Of a clone's files those are read that name the commit; see gitrepository-layout(5).
"""

import os
import re
from typing import Final

from exporter.files import read_regular_file

UNKNOWN: Final = "unknown"

PACKAGE: Final = os.path.dirname(os.path.abspath(__file__))
"""The folder of the package."""

_FILE: Final = "revision.txt"  # written into the wheel and the sdist by hatch_build.py
_REVISION: Final = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})(-dirty)?")
_LIMIT_BYTES: Final = 16 << 20


def find_revision(package: str = PACKAGE) -> str:
    """Return the commit, with ``-dirty`` if a build had changes that are not in it; else ``unknown``.

    A clone has the commit that is checked out, whether or not files have been changed since.
    """
    built, head = _read(package, _FILE), _read_head(os.path.join(package, os.pardir, ".git"))
    return next(filter(_REVISION.fullmatch, (built, head)), UNKNOWN)


def _read_head(git: str) -> str:
    """Return the commit that is checked out; empty if the files do not say."""
    if linked := _read(git).removeprefix("gitdir: "):  # a worktree or a submodule
        git = os.path.join(os.path.dirname(git), linked)
    head = _read(git, "HEAD")
    if not head.startswith("ref: "):
        return head
    name = head.removeprefix("ref: ")
    shared = os.path.join(git, _read(git, "commondir"))
    return _read(git, name) or _read(shared, name) or _find_packed(_read(shared, "packed-refs"), name)


def _find_packed(packed: str, name: str) -> str:
    """Return the commit of a reference among those that are packed into one file."""
    return next((line.split()[0] for line in packed.splitlines() if line.endswith(f" {name}")), "")


def _read(*path: str) -> str:
    """Return a file's text without white space around it; empty if it cannot be read."""
    try:
        return read_regular_file(os.path.join(*path), _LIMIT_BYTES).decode(errors="replace").strip()
    except OSError:
        return ""
