"""Pods of real runc containers, laid out as the kubelet does: cgroups, logs, a shared network namespace.

The first container of a pod only sleeps and keeps the network namespace, which the others join. They have
nothing in their root but busybox. See runc(8), and config.md of the OCI runtime specification.
"""

import hashlib
import json
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support import requirements
from tests.support.leftovers import cgroup_name, remove_cgroups
from tests.support.live.namespace import Namespace, inside

BUSYBOX = "/bin/busybox"
APPLETS = ("killall", "nc", "sh", "sleep")


def require_runc() -> None:
    """Go on only where containers can be run."""
    requirements.require_command("runc", "runc")
    linked = subprocess.run(["ldd", BUSYBOX], capture_output=True, check=False).returncode == 0
    requirements.require(
        "needs a busybox that is linked statically",
        "apt-get install busybox-static",
        met=Path(BUSYBOX).exists() and not linked,
    )


class Container:
    """A running container."""

    def __init__(self, folder: Path, name: str) -> None:
        self.pid = int((folder / "pid").read_text())
        self._runc = ["runc", f"--root={folder.parent / 'state'}"]
        self._name = name

    def run(self, *words: str) -> None:
        """Run a command inside; raises CalledProcessError."""
        subprocess.run([*self._runc, "exec", self._name, *words], check=True, capture_output=True)

    def remove(self) -> None:
        """End it."""
        subprocess.run([*self._runc, "delete", "--force", self._name], check=True, capture_output=True)


def make_root(folder: Path) -> None:
    """Make the files of a container."""
    (folder / "bin").mkdir(parents=True)
    for name in ("dev", "proc", "sys", "tmp"):
        (folder / name).mkdir()
    shutil.copy(BUSYBOX, folder / "bin" / "busybox")
    for applet in APPLETS:
        (folder / "bin" / applet).symlink_to("busybox")


def run_container(
    folder: Path, root: Path, cgroup: str, command: Sequence[str], network: str = ""
) -> Container:
    """Run a container in a cgroup, and in a network namespace of its own, or in that of another one."""
    folder.mkdir()
    name = folder.name
    runc = ["runc", f"--root={folder.parent / 'state'}"]
    subprocess.run([*runc, "spec"], cwd=folder, check=True)
    config = json.loads((folder / "config.json").read_text())
    config["process"].update(args=command, terminal=False)
    config["process"].pop("rlimits", None)
    config["root"] = {"path": str(root), "readonly": True}
    config["linux"].update(cgroupsPath=f"/{cgroup}/cri-containerd-{name}.scope", resources={})
    for kind in config["linux"]["namespaces"]:
        if network and kind["type"] == "network":
            kind["path"] = network
    (folder / "config.json").write_text(json.dumps(config))
    log = folder / "log"
    with log.open("wb") as output:
        started = subprocess.run(
            [*runc, "run", "--detach", f"--pid-file={folder / 'pid'}", name],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
        )
    assert started.returncode == 0, log.read_text()
    return Container(folder, name)


@contextmanager
def running_pod(
    folder: Path, logs: Path, namespace: str, name: str, command: Sequence[str]
) -> Iterator[tuple[Namespace, Container]]:
    """Run a pod whose second container runs a command; return its network namespace and that container."""
    uid = str(uuid.uuid4())
    (logs / f"{namespace}_{name}_{uid}").mkdir()
    root = folder / "root"
    make_root(root)
    slice_ = f"{cgroup_name()}-{uid}.slice"
    cgroup = f"{slice_}/kubepods-burstable-pod{uid.replace('-', '_')}.slice"
    with ExitStack() as stack:
        stack.callback(lambda: list(remove_cgroups(slice_)))
        containers: list[Container] = []
        for number, words in enumerate((["sleep", "100000"], command)):
            network = f"/proc/{containers[0].pid}/ns/net" if containers else ""
            container_id = hashlib.sha256(f"{uid} {number}".encode()).hexdigest()
            container = run_container(folder / container_id, root, cgroup, words, network)
            stack.callback(container.remove)
            containers.append(container)
            if not network:
                Namespace(container.pid).run("ip", "link", "set", "lo", "up")
        yield Namespace(containers[0].pid), containers[1]


def never_close(port: int) -> list[str]:
    """Return the command of a server that closes nothing, until its ``sleep`` processes are killed."""
    return ["nc", "-ll", "-p", str(port), "-e", "/bin/sleep", "100000"]


def visit(pod: Namespace, port: int, times: int) -> None:
    """Connect to a server in a pod, and hang up."""
    with inside(pod.path):
        for _ in range(times):
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
