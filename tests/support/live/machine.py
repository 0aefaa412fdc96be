"""A machine of its own, booted by systemd in a container without network.

It has the files of a tree, or the programs of this machine, which it can only read, and nothing else of it:
no configuration, no services, no users. What is changed on it is gone with it. See systemd-nspawn(1) and
file-hierarchy(7).
"""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.live.cgroup import enter, made_cgroup
from tests.support.live.namespace import ROOT, Namespace
from tests.support.requirements import require, require_command, require_root
from tests.support.service_manager import listening_manager

BOOT_SECONDS = 60
PYTHON = "/usr/bin/python3"
PORT_NAMES = "/etc/services"
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


def require_machine() -> None:
    """Go on only where a machine can be booted, with what the README says that it has to have."""
    require_root()
    require_command("systemd-nspawn", "systemd-container")
    has_venv = not subprocess.run([PYTHON, "-c", "import ensurepip"], check=False).returncode
    require(f"needs {PYTHON} with venv", "apt-get install python3-venv", met=has_venv)
    require(f"needs {PORT_NAMES}", "apt-get install netbase", met=os.path.exists(PORT_NAMES))


def gather_wheels(folder: Path, version: str | None = None) -> None:
    """Put all into a folder that the locks name, for pip to install the project; raises MachineError.

    The wheels are those for a version of Python, by default that of this machine's.
    """
    version = (
        version or run_quietly(PYTHON, "-c", "import platform; print(platform.python_version())").strip()
    )
    fetch = ("download", "--quiet", "--only-binary=:all:", "--no-deps", "--require-hashes")
    locks = [f"--requirement={lock}" for lock in ROOT.glob("requirements*.lock")]
    command = [sys.executable, "-m", "pip", *fetch, f"--python-version={version}", f"--dest={folder}", *locks]
    run_quietly(*command)


@contextmanager
def running_machine(
    wheels: Path, identity: Path, project: Path = ROOT, tree: Path | None = None
) -> Iterator[Machine]:
    """Boot a machine that has the files of a tree, by default the programs of this one, and end it.

    It is given a file with an identity, as systemd enables whatever service it finds on a machine without.
    """
    identity.write_text(f"{uuid.uuid4().hex}\n")
    programs = (
        *("--directory=/", "--volatile=yes", "--tmpfs=/usr/local/bin", "--tmpfs=/usr/local/share"),
        "--tmpfs=/etc/systemd/system",
        f"--bind-ro={PORT_NAMES}",
    )
    command = [
        *("systemd-nspawn", *((f"--directory={tree}", "--volatile=overlay") if tree else programs)),
        *("--boot", "--notify-ready=yes", f"--machine=netstat-exporter-{identity.parent.name}"),
        *("--private-network", "--register=no", "--console=pipe", f"--bind-ro={identity}:/etc/machine-id"),
        *(f"--bind-ro={project}:{PROJECT}:norbind", f"--bind-ro={wheels}:{WHEELS}"),
    ]
    with ExitStack() as stack:
        command = stack.enter_context(placed(command))
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


@contextmanager
def placed(command: list[str]) -> Iterator[list[str]]:
    """Return the command line of a container with a cgroup where it can be; see sd_booted(3)."""
    if os.path.isdir("/run/systemd/system"):
        yield command
    else:  # nobody here makes a scope for it
        with made_cgroup("machine") as cgroup:
            yield [*enter(cgroup), *command, "--keep-unit"]


def run_quietly(*command: str) -> str:
    """Return what a command printed; raises MachineError, with its last line."""
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        (*_, last) = ("", *(finished.stdout + finished.stderr).splitlines())
        raise MachineError(f"{command[0]}: {last}")
    return finished.stdout
