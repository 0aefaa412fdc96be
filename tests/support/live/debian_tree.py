"""The files of a Debian of this machine's release, made by debootstrap(8) once and kept."""

import fcntl
import platform
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.support.live.machine import MachineError, run_quietly
from tests.support.live.namespace import ROOT

PACKAGES: Final = ("python3-venv", "netbase")


def make_tree() -> Path:
    """Return where the files are; raises MachineError."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    tree = ROOT / ".ci" / "tmp" / "-".join((release, *PACKAGES))
    tree.parent.mkdir(exist_ok=True)
    with open(tree.parent / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run waits for the one that makes it
        if not tree.exists():
            include = f"--include={','.join(PACKAGES)}"
            with TemporaryDirectory(dir=tree.parent) as draft:
                made = Path(draft) / "tree"
                mirror = _find_mirror(release)
                run_quietly("debootstrap", "--variant=minbase", include, release, str(made), mirror)
                made.rename(tree)
    return tree


def _find_mirror(release: str) -> str:
    """Return the address from which apt has a release."""
    words = ("--format=$(REPO_URI)", "Created-By: Packages", f"Release: {release}", "Component: main")
    mirrors = run_quietly("apt-get", "indextargets", *words).splitlines()
    if not mirrors:
        raise MachineError(f"apt has no mirror of {release}")
    return mirrors[0]
