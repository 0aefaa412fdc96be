"""A container of Podman, with a network namespace of its own, from files that have nothing but busybox."""

import fcntl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from tests.support import requirements
from tests.support.leftovers import remove_cgroups
from tests.support.live.image import PRIVATE_MOUNTS
from tests.support.live.namespace import Namespace
from tests.support.live.runc import make_root, require_runc
from tests.support.patience import wait_until

WITHOUT_SYSTEMD: Final = ("--cgroup-manager=cgroupfs", "--runtime=runc", "--events-backend=none")
WITHOUT_RIGHTS_OF_THE_HOST: Final = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000")


_CGROUPS: Final = "libpod_parent"


@contextmanager
def podman_alone() -> Iterator[None]:
    """Let no other test run Podman meanwhile: its containers share a cgroup, which goes at the end."""
    with open(__file__, encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            with suppress(OSError):  # those of another Podman on the machine
                list(remove_cgroups(_CGROUPS))


@contextmanager
def running_container(folder: Path, name: str) -> Iterator[Namespace]:
    """Run a container that sleeps, and return its network namespace."""
    require_runc()
    requirements.require_command("podman", "podman")
    make_root(folder / "root")
    podman = [
        *PRIVATE_MOUNTS,
        "podman",
        f"--root={folder / 'store'}",
        f"--runroot={folder / 'run'}",
        *WITHOUT_SYSTEMD,
    ]
    run = ["run", "--detach", f"--name={name}", "--network=none", *WITHOUT_RIGHTS_OF_THE_HOST]
    command = [*podman, *run, "--rootfs", str(folder / "root"), "/bin/sleep", "100000"]
    with podman_alone():
        subprocess.run(command, check=True, capture_output=True)
        try:
            found = subprocess.run(
                [*podman, "inspect", "--format={{.State.Pid}}", name], check=True, capture_output=True
            )
            yield Namespace(int(found.stdout))
        finally:
            subprocess.run([*podman, "rm", "--force", "--time=0", name], check=True, capture_output=True)
            wait_until(lambda: not names_in_use(folder))


def names_in_use(folder: Path) -> list[str]:
    """Return the programs that were started with a path in a folder: one that cleans up writes there."""
    found = psutil.process_iter(["name", "cmdline"])
    return [
        process.info["name"]
        for process in found
        if any(str(folder) in word for word in process.info["cmdline"] or ())
    ]
