"""A real socket is traced to the file and to the cgroup that it belongs to."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.kernel import states
from exporter.kernel.sockdetails import read_details
from exporter.kernel.tables import TABLES
from tests import requirements
from tests.live.namespace import ROOT, Namespace, inside
from tests.live.scenarios import IPP

pytestmark = pytest.mark.live

LOOPBACK = bytes(15) + b"\1"
HOLD = 'echo $$ >"$1/cgroup.procs" && exec "$2" -m tests.live.sockets close-wait'


@pytest.fixture
def cgroup(isolation: None) -> Iterator[Path]:
    """Make a cgroup, and take it away at the end, when the processes in it are gone."""
    del isolation
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        found = [words[1] for words in map(str.split, mounts) if words[2] == "cgroup2"]
    requirements.require("needs cgroup2", "mount -t cgroup2 none /sys/fs/cgroup", met=bool(found))
    made = Path(found[0]) / f"netstat-exporter-test-{os.getpid()}"
    made.mkdir()
    yield made
    made.rmdir()


def test_close_wait_is_traced(namespace: Namespace, cgroup: Path) -> None:
    """One socket was left in CLOSE_WAIT, by a process in a cgroup of its own."""
    command = namespace.command("sh", "-c", HOLD, "sh", str(cgroup), sys.executable)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline()
        with inside(namespace.path):
            details = list(read_details(TABLES["tcp6"], {states.CLOSE_WAIT}, time.monotonic() + 10))
        files = [os.stat(entry.path).st_ino for entry in os.scandir(f"/proc/{holder.pid}/fd")]
    (detail,) = details
    assert (LOOPBACK, LOOPBACK, IPP) == (detail.local_address, detail.remote_address, detail.remote_port)
    assert states.CLOSE_WAIT == detail.state
    assert detail.inode in files
    assert cgroup.stat().st_ino == detail.cgroup_id
