"""A real socket is traced to the file and to the cgroup that it belongs to."""

import os
import subprocess
import sys
import time
from typing import cast

import pytest

from exporter.kernel import states
from exporter.kernel.rows import InetRows, find_places
from exporter.kernel.sockdiag import walk_tables
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
                blocks = [
                    cast("InetRows", rows) for _, rows in walk_tables([TABLES["tcp6"]], time.monotonic() + 10)
                ]
            files = [os.stat(entry.path).st_ino for entry in os.scandir(f"/proc/{holder.pid}/fd")]
            cgroup_id = cgroup.stat().st_ino
    found = [(rows, place) for rows in blocks for place in find_places(rows.states, states.CLOSE_WAIT)]
    ((rows, place),) = found
    ((local, remote, _),) = rows.tracked([place])
    (origin,) = rows.origins([place])
    assert (IPP, local) == (remote, origin.local_port)
    assert origin.inode in files
    assert cgroup_id == origin.cgroup_id
