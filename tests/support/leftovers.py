"""See to it that nothing is left behind by a run of the tests, whatever others run on the machine.

All that the tests start inherits a name in its environment, and makes its temporary files in a folder of the
run. What bears the name when the tests are over, and does not end by itself, is told and ended.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

RUN: Final = "TESTS_OF_NETSTAT_EXPORTER"  # no name that the exporter takes for its own
CGROUP: Final = "netstat-exporter-test"
PATIENCE_SECONDS: Final = 5
KEPT_BY_PYTEST: Final = "pytest-of-"


def name_run() -> Path:
    """Name the run that begins here, and return the folder that has its temporary files."""
    os.environ.pop("TMPDIR", None)
    tempfile.tempdir = None
    folder = Path(tempfile.mkdtemp(prefix="ne-"))  # short: the path of a socket has at most 107 bytes
    folder.chmod(0o711)  # who has no rights gets to what a test shows him
    os.environ[RUN] = folder.name
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    return folder


def cgroup_name() -> str:
    """Return the name of a cgroup of this process, by which it is known as one of the run."""
    return f"{CGROUP}-{os.environ.get(RUN, '')}-{os.getpid()}"


def remove_cgroups(name: str) -> Iterator[Path]:
    """Remove cgroups without processes, and all in them, from every hierarchy, and yield each.

    systemd-nspawn makes its own in that of systemd, too, where there is one.
    """
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        roots = [words[1] for words in map(str.split, mounts) if words[2] in {"cgroup", "cgroup2"}]
    for group in (group for root in roots for group in Path(root).glob(name)):
        for folder, _, _ in os.walk(group, topdown=False):
            with suppress(FileNotFoundError):  # systemd was quicker
                os.rmdir(folder)
        yield group


def end_leftovers(folder: Path) -> list[str]:
    """Return what is left of a run, in words, after it was taken away."""
    return [
        *_end_processes(),
        *(f"cgroup {group}" for group in remove_cgroups(f"{CGROUP}-{os.environ[RUN]}-*")),
        *_remove_files(folder),
    ]


def remove_run(folder: Path) -> None:
    """Remove the folder of a run, with what pytest keeps in it."""
    shutil.rmtree(folder, ignore_errors=True)


def _end_processes() -> Iterator[str]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (left := list(_find_processes())) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in left:
        yield f"process {process.pid}: {' '.join(process.info['cmdline'] or [process.info['name']])}"
        process.kill()


def _find_processes() -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["name", "cmdline", "environ"]):
        is_ours = (process.info["environ"] or {}).get(RUN) == os.environ[RUN]
        if is_ours and process.pid != os.getpid():
            yield process


def _remove_files(folder: Path) -> Iterator[str]:
    for path in folder.iterdir():
        if not path.name.startswith(KEPT_BY_PYTEST):
            yield f"file {path}"
            shutil.rmtree(path) if path.is_dir() else path.unlink()
