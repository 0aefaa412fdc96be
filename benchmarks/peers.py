"""Run the peers that are daemons, each with nothing but what counts TCP sockets."""

import http.client
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from typing import Final

from benchmarks.measure import cpu_seconds, get, memory_mb

_ENDS_WITH_US: Final = ("setpriv", "--pdeathsig", "KILL", "--")
_NODE_EXPORTER_PORT: Final = 9100
_POLL_SECONDS: Final = 0.005

_COLLECTD_CONFIG: Final = """
Hostname "benchmark"
BaseDir "{folder}"
PIDFile "{folder}/pid"
Interval 1
LoadPlugin csv
LoadPlugin tcpconns
<Plugin csv>
  DataDir "{folder}"
</Plugin>
<Plugin tcpconns>
  ListeningPorts false
  AllPortsSummary true
</Plugin>
"""


class NodeExporter:
    """node_exporter with nothing but its collector of TCP states."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def sample(self, timeout_seconds: float) -> float:
        """Scrape it once."""
        started = cpu_seconds(self._pid)
        page = get(_NODE_EXPORTER_PORT, "/metrics", timeout_seconds)
        if b"node_tcp_connection_states" not in page:
            raise RuntimeError("node_exporter does not show TCP states")
        return cpu_seconds(self._pid) - started

    def peak_mb(self) -> float:
        """Return the high-water mark of its memory."""
        return memory_mb(self._pid, "VmHWM")


@contextmanager
def running_node_exporter() -> Iterator[NodeExporter]:
    """Run node_exporter until it listens."""
    address = f"--web.listen-address=127.0.0.1:{_NODE_EXPORTER_PORT}"
    collectors = ("--collector.disable-defaults", "--collector.tcpstat", "--web.disable-exporter-metrics")
    with _running("prometheus-node-exporter", address, *collectors) as process:
        while process.poll() is None:
            try:
                get(_NODE_EXPORTER_PORT, "/")
                break
            except (OSError, http.client.HTTPException):
                time.sleep(_POLL_SECONDS)
        yield NodeExporter(process.pid)


class Collectd:
    """collectd with its plugin tcpconns, which counts by itself every second; stopped between samples."""

    def __init__(self, pid: int, folder: str) -> None:
        self._pid = pid
        self._folder = folder
        os.kill(pid, signal.SIGSTOP)

    def sample(self, timeout_seconds: float) -> float:
        """Let it run from the end of one interval to the end of the next."""
        deadline = time.monotonic() + timeout_seconds
        os.kill(self._pid, signal.SIGCONT)
        try:
            self._wait_for_row(deadline)
            started = cpu_seconds(self._pid)
            self._wait_for_row(deadline)
            return cpu_seconds(self._pid) - started
        finally:
            os.kill(self._pid, signal.SIGSTOP)

    def peak_mb(self) -> float:
        """Return the high-water mark of its memory."""
        return memory_mb(self._pid, "VmHWM")

    def _wait_for_row(self, deadline: float) -> None:
        rows = self._count_rows()
        while self._count_rows() == rows:
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(_POLL_SECONDS)

    def _count_rows(self) -> int:
        rows = 0
        # Of the states this one is written last.
        for path in glob(f"{self._folder}/benchmark/tcpconns-all/tcp_connections-CLOSING-*"):
            with open(path, "rb") as file:
                rows += file.read().count(b"\n")
        return rows


@contextmanager
def running_collectd() -> Iterator[Collectd]:
    """Run collectd in the foreground."""
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "collectd.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(_COLLECTD_CONFIG.format(folder=folder))
        with _running("collectd", "-f", "-C", config) as process:
            yield Collectd(process.pid, folder)


@contextmanager
def _running(*words: str) -> "Iterator[subprocess.Popen[bytes]]":
    with subprocess.Popen(
        [*_ENDS_WITH_US, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()
