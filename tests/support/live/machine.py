"""A machine of its own: Debian, booted by its own systemd in a container without network.

See debootstrap(8) and systemd-nspawn(1). What is changed on the machine is gone with it.
"""

import os
import platform
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.support.live.cgroup import enter, made_cgroup
from tests.support.live.namespace import ROOT, Namespace
from tests.support.service_manager import listening_manager

PACKAGES = ("systemd-sysv", "python3-venv", "procps", "make", "netbase")
BOOT_SECONDS = 60
PROJECT = "/project"
WHEELS = "/wheels"
ENVIRONMENT = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "PIP_NO_INDEX=1", f"PIP_FIND_LINKS={WHEELS}")


class MachineError(Exception):
    """There is no machine; the text is what went wrong at last."""


class Machine(NamedTuple):
    """A running machine, known by its first process."""

    leader: int

    @property
    def network(self) -> Namespace:
        """The namespace that has its sockets."""
        return Namespace(self.leader)

    def path(self, name: str) -> Path:
        """Return where a file of the machine is found from here."""
        return Path(f"/proc/{self.leader}/root{name}")

    def run(self, *words: str) -> str:
        """Run a command in the project's folder and return what it printed.

        Raises CalledProcessError.
        """
        enter = [
            "nsenter",
            f"--target={self.leader}",
            "--all",
            "env",
            "-i",
            f"--chdir={PROJECT}",
            *ENVIRONMENT,
        ]
        return subprocess.run([*enter, *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def make_tree() -> Path:
    """Return the files of a machine, which are made once and kept; raises MachineError."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    tree = ROOT / ".ci" / "tmp" / "-".join((release, *PACKAGES))
    if not tree.exists():
        tree.parent.mkdir(exist_ok=True)
        include = f"--include={','.join(PACKAGES)}"
        with TemporaryDirectory(dir=tree.parent) as draft:
            made = Path(draft) / "tree"
            _run("debootstrap", "--variant=minbase", include, release, str(made), _find_mirror(release))
            made.rename(tree)
    return tree


def _find_mirror(release: str) -> str:
    """Return the address from which apt has a release."""
    words = ("--format=$(REPO_URI)", "Created-By: Packages", f"Release: {release}", "Component: main")
    mirrors = _run("apt-get", "indextargets", *words).splitlines()
    if not mirrors:
        raise MachineError(f"apt has no mirror of {release}")
    return mirrors[0]


def gather_wheels(tree: Path, folder: Path) -> None:
    """Put into a folder all that pip needs to install the project there; raises MachineError."""
    (python,) = tree.glob("usr/lib/python3.*")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    version = python.name.removeprefix("python")
    fetch = ("download", "--quiet", "--only-binary=:all:", f"--python-version={version}", f"--dest={folder}")
    _run(sys.executable, "-m", "pip", *fetch, *needed)


@contextmanager
def running_machine(tree: Path, wheels: Path) -> Iterator[Machine]:
    """Boot a machine from a tree, and end it."""
    command = [
        *("systemd-nspawn", f"--directory={tree}", "--volatile=overlay", "--boot", "--notify-ready=yes"),
        *("--machine=netstat-exporter", "--private-network", "--register=no", "--console=pipe"),
        *(f"--bind-ro={ROOT}:{PROJECT}:norbind", f"--bind-ro={wheels}:{WHEELS}"),
    ]
    with ExitStack() as stack:
        if not os.path.isdir("/run/systemd/system"):  # nobody here makes a scope for it; see sd_booted(3)
            command = [*enter(stack.enter_context(made_cgroup("machine"))), *command, "--keep-unit"]
        manager = stack.enter_context(listening_manager())
        manager.settimeout(BOOT_SECONDS)
        environment = {**os.environ, "NOTIFY_SOCKET": manager.name}
        # What its console says is shown when a test fails.
        container = stack.enter_context(subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL))
        leader = 0
        try:
            told = dict[str, str]()
            while "READY" not in told:
                told = manager.next()
                leader = int(told.get("X_NSPAWN_LEADER_PID", leader))
            manager.close()  # nobody hears it any more: it must not wait for us to
            yield Machine(leader)
        finally:
            manager.close()
            os.kill(leader or container.pid, signal.SIGKILL)


def _run(*command: str) -> str:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        (*_, last) = ("", *(finished.stdout + finished.stderr).splitlines())
        raise MachineError(f"{command[0]}: {last}")
    return finished.stdout
