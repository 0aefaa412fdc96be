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

import yaml

from tests import requirements
from tests.patience import wait_until

SCRAPE_INTERVAL = "200ms"


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
def running_prometheus(
    folder: Path, *ports: int, rules: Path | None = None, alertmanager_port: int | None = None
) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes daemons on the loopback, with its data in a folder."""
    command = requirements.require_command("prometheus", "prometheus")
    config = {
        "global": {
            "scrape_interval": SCRAPE_INTERVAL,
            "scrape_timeout": SCRAPE_INTERVAL,
            "evaluation_interval": SCRAPE_INTERVAL,
        },
        "scrape_configs": [{"job_name": "netstat", "static_configs": _name_targets(*ports)}],
        "rule_files": [str(rules)] if rules else [],
        "alerting": {
            "alertmanagers": [{"static_configs": _name_targets(alertmanager_port)}]
            if alertmanager_port
            else []
        },
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = find_free_port()
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


def find_free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _name_targets(*ports: int) -> list[dict[str, list[str]]]:
    return [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
