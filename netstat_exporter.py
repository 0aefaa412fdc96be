"""Start the exporter, if its import package is what was installed.

That package is called ``exporter``, as those of other distributions may be. In one environment they overwrite
each other's files, or one hides the other. So the command begins with this module, which has the name of the
distribution, and imports the package only after a look at what is there. What installers note is read without
importlib.metadata, which takes a megabyte of memory.

Format: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Final

_FOLDER: Final = os.path.dirname(os.path.abspath(__file__))
_OWN: Final = ("netstat_exporter-", "netstat_exporter.")  # the notes of a clone have no version
_LEFTOVER: Final = "~"  # begins the name of what pip could not remove
_NOTES: Final = {
    ".dist-info": ("RECORD", re.compile(rb'^"?exporter/', re.MULTILINE)),
    ".egg-info": ("top_level.txt", re.compile(rb"^exporter\s*$", re.MULTILINE)),
}
"""By the end of a folder's name: the file that says what was installed, and how it names our package."""
_RECORDED: Final = re.compile(rb"^(exporter/[^,]+\.py),[^,]*,(\d+)\r?$", re.MULTILINE)
"""A module of ours in RECORD: its path, and its size in bytes."""


def main() -> int:
    """Run the exporter and return its exit code."""
    if conflict := find_conflict(_FOLDER):
        remedy = "install it into an environment of its own, for example with pipx"
        sys.stderr.write(f"netstat-exporter: {conflict}: {remedy}\n")
        return 2
    # Signals first, as the rest takes a moment to import.
    from exporter.early import handle_signals  # noqa: PLC0415 - after the check

    handle_signals(sys.argv[1:])
    if sys.argv[1:2] == ["show"]:
        from exporter.terminal.show import main as run  # noqa: PLC0415 - without what only the daemon needs
    else:
        from exporter.cli import main as run  # noqa: PLC0415 - see above
    return run()


def find_conflict(folder: str) -> str | None:
    """Return why the package in a folder cannot be relied on; None if it can."""
    package = os.path.join(folder, "exporter")
    if name := next(find_foreign(folder), None):
        return f"{name} has an import package called exporter, too, and both are installed in {package}"
    spec = find_spec("exporter")
    origin = (spec and spec.origin) or ""
    if damaged := find_damaged(folder) or ("" if origin else os.path.join(package, "__init__.py")):
        return f"{damaged} is missing, or that of another distribution"
    found = os.path.dirname(origin)
    if os.path.realpath(found) != os.path.realpath(package):
        return f"another import package called exporter, in {found}, comes before that in {package}"
    return None


def find_foreign(folder: str) -> Iterator[str]:
    """Yield the other distributions in a folder that have files of a package called exporter."""
    for entry, note, pattern in _read_notes(folder):
        if pattern.search(note):
            yield os.path.splitext(entry)[0].replace("-", " ", 1)


def find_damaged(folder: str) -> str | None:
    """Return the path of a recorded module that is missing, or None.

    ``__init__.py``, which another distribution is most likely to overwrite, must also have its recorded size.
    Other modules may be edited, by a person who looks for a cause, and all may be there as compiled only. An
    earlier version may have left its notes behind: those of one version have to be true.
    """
    damages = [_find_damaged(folder, note) for _, note, _ in _read_notes(folder, own=True)]
    return None if None in damages else next(iter(damages), None)


def _find_damaged(folder: str, note: bytes) -> str | None:
    """Return the path of a module that is not as a RECORD says."""
    first = os.path.join(folder, "exporter", "__init__.py")
    for name, size in _RECORDED.findall(note):
        path = os.path.join(folder, os.fsdecode(name))
        try:
            found = os.stat(path).st_size
        except OSError:
            if os.path.exists(f"{path}c"):
                continue
            return path
        if path == first and found != int(size):
            return path
    return None


def _read_notes(folder: str, *, own: bool = False) -> Iterator[tuple[str, bytes, re.Pattern[bytes]]]:
    """Yield each folder of notes, what its note says, and the pattern of our package in it.

    They are those of other distributions, or of our ``own``.
    """
    entries: list[str] = []
    with contextlib.suppress(OSError):  # what may be imported from cannot always be listed
        entries = sorted(os.listdir(folder))
    for entry in entries:
        end = os.path.splitext(entry)[1]
        is_wanted = entry.startswith(_OWN) == own and not entry.startswith(_LEFTOVER)
        if end in _NOTES and is_wanted:
            note, pattern = _NOTES[end]
            with contextlib.suppress(OSError), open(os.path.join(folder, entry, note), "rb") as file:
                yield entry, file.read(), pattern


if __name__ == "__main__":
    sys.exit(main())
