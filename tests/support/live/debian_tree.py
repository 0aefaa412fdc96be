"""The files of a Debian, made by mmdebstrap(1) once and kept: machines boot it, images have it as base."""

import fcntl
import platform
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.support.live.machine import MachineError, run_quietly
from tests.support.live.namespace import ROOT

PACKAGES: Final = ("python3-venv", "netbase", "systemd-sysv", "dbus", "procps", "pipx")
PYTHONS: Final = {"bookworm": "3.11", "trixie": "3.13"}
"""The version of Python of each release that the package is for."""
RELEASE: Final = platform.freedesktop_os_release()["VERSION_CODENAME"]
"""That of this machine."""


def make_tree(release: str = RELEASE) -> Path:
    """Return where the files are; raises MachineError."""
    tree = ROOT / ".ci" / "tmp" / "-".join((release, *PACKAGES))
    tree.parent.mkdir(exist_ok=True)
    with open(tree.with_suffix(".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run waits for the one that makes it
        if not tree.exists():
            include = f"--include={','.join(PACKAGES)}"
            options = ("--variant=minbase", "--dpkgopt=force-unsafe-io", include)
            with TemporaryDirectory(dir=tree.parent) as draft:
                made = Path(draft) / "tree"
                run_quietly("mmdebstrap", *options, release, str(made), _find_mirror())
                made.rename(tree)
    return tree


def _find_mirror() -> str:
    """Return the address from which apt has this machine's release, where others are, too."""
    words = ("--format=$(REPO_URI)", "Created-By: Packages", f"Release: {RELEASE}", "Component: main")
    mirrors = run_quietly("apt-get", "indextargets", *words).splitlines()
    if not mirrors:
        raise MachineError(f"apt has no mirror of {RELEASE}")
    return mirrors[0]
