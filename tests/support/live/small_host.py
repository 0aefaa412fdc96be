"""A small host with Podman: a first process that has a network, processes and mounts of its own.

Its /proc shows it alone, as a node's does. What runs there ends with its first process: pid_namespaces(7).
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import psutil

from tests.support.live.image import Store
from tests.support.live.namespace import ROOT, Namespace, NamespaceError
from tests.support.live.podman import podman_alone

# Neither systemd nor the journal is asked. crun does not know a hybrid hierarchy of cgroups.
PODMAN: Final = ("--runtime=runc", "--cgroup-manager=cgroupfs", "--events-backend=none")
KEEP: Final = """
ip link set lo up && mount -t tmpfs none /var/log && mkdir /var/log/pods && echo up && exec cat
"""


class SmallHost(NamedTuple):
    """A host, known by its first process."""

    leader: int
    store: Store

    @property
    def network(self) -> Namespace:
        """The namespace that has its sockets."""
        return Namespace(self.leader)

    def run(self, *words: str) -> str:
        """Run a command there, and return what it printed; raises CalledProcessError."""
        command = ["nsenter", f"--target={self.leader}", "--net", "--mount", "--pid", "--", *words]
        return subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout

    def podman(self, *words: str) -> str:
        """Run Podman, and return what it printed; raises CalledProcessError."""
        state = f"--tmpdir={self.store.folder / 'podman'}"
        return self.run("podman", *self.store.options, *PODMAN, state, *words)


@contextmanager
def small_host(store: Store) -> Iterator[SmallHost]:
    """Start a host, and end it with all that runs there."""
    apart = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    pipe = subprocess.PIPE
    with (
        podman_alone(),
        subprocess.Popen([*apart, "sh", "-c", KEEP], stdin=pipe, stdout=pipe, text=True) as keeper,
    ):
        assert keeper.stdout is not None
        if keeper.stdout.readline() != "up\n":
            raise NamespaceError("no small host")
        (leader,) = psutil.Process(keeper.pid).children()
        host = SmallHost(leader.pid, store)
        try:
            yield host
        finally:
            host.podman("rm", "--all", "--force", "--time=0")
