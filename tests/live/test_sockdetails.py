"""A real socket is traced to the file and to the cgroup that it belongs to."""

import os
import subprocess
import sys
import time

import pytest

from exporter.kernel import states
from exporter.kernel.sockdetails import read_details
from exporter.kernel.tables import TABLES
from tests.support.live.cgroup import enter, made_cgroup
from tests.support.live.namespace import ROOT, Namespace, inside
from tests.support.live.scenarios import IPP

pytestmark = pytest.mark.live


def test_close_wait_is_traced(namespace: Namespace) -> None:
    """One socket was left in CLOSE_WAIT, by a process in a cgroup of its own."""
    pipe = subprocess.PIPE
    with made_cgroup("traced") as cgroup:
        command = namespace.command(
            *enter(cgroup), sys.executable, "-m", "tests.support.live.sockets", "close-wait"
        )
        with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline()
            with inside(namespace.path):
                details = list(read_details(TABLES["tcp6"], {states.CLOSE_WAIT}, time.monotonic() + 10))
            files = [os.stat(entry.path).st_ino for entry in os.scandir(f"/proc/{holder.pid}/fd")]
            cgroup_id = cgroup.stat().st_ino
    (detail,) = details
    assert (IPP, states.CLOSE_WAIT) == (detail.remote_port, detail.state)
    assert detail.inode in files
    assert cgroup_id == detail.cgroup_id
