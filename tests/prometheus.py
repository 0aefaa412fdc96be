"""Run Debian's Prometheus on a running daemon, and ask it as a dashboard does."""

import json
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError

from tests import requirements
from tests.daemon import Daemon
from tests.patience import wait_until

SCRAPE_CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: netstat
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Prometheus(NamedTuple):
    """A running Prometheus."""

    port: int

    def query(self, expression: str) -> dict[frozenset[tuple[str, str]], float]:
        """Return the instant vector of an expression, by labels."""
        answer = self._ask(f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        data = json.loads(answer)["data"]
        assert data["resultType"] == "vector"
        return {frozenset(one["metric"].items()): float(one["value"][1]) for one in data["result"]}

    def is_ready(self) -> bool:
        """Tell whether it has started."""
        try:
            self._ask("/-/ready")
        except (URLError, ConnectionError):
            return False
        return True

    def _ask(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as response:
            return bytes(response.read())


@contextmanager
def running_prometheus(daemon: Daemon, folder: Path) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes the daemon, with its data in a folder."""
    command = requirements.require_command("prometheus", "prometheus")
    (folder / "prometheus.yml").write_text(SCRAPE_CONFIG.format(port=daemon.port))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    process = subprocess.Popen(
        [
            command,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
    )
    try:
        prometheus = Prometheus(port)
        wait_until(prometheus.is_ready)
        yield prometheus
    finally:
        process.terminate()
        process.wait()
