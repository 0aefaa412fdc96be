"""Run Debian's Alertmanager, and ask it what fires as its page does."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError

from tests import requirements
from tests.patience import wait_until
from tests.prometheus import find_free_port

CONFIG = """
route: {receiver: nobody, group_wait: 0s, group_interval: 1s}
receivers: [{name: nobody}]
"""


class Alert(NamedTuple):
    """An alert that fires."""

    labels: dict[str, str]
    annotations: dict[str, str]


class Alertmanager(NamedTuple):
    """A running Alertmanager."""

    port: int

    def alerts(self, name: str) -> list[Alert]:
        """Return the alerts of this name that fire."""
        fired = [Alert(one["labels"], one["annotations"]) for one in json.loads(self._ask("/api/v2/alerts"))]
        return [alert for alert in fired if alert.labels["alertname"] == name]

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
def running_alertmanager(folder: Path) -> Iterator[Alertmanager]:
    """Run an Alertmanager that tells nobody, with its data in a folder."""
    command = requirements.require_command("prometheus-alertmanager", "prometheus-alertmanager")
    (folder / "alertmanager.yml").write_text(CONFIG)
    port = find_free_port()
    process = subprocess.Popen(
        [
            command,
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            "--log.level=error",
        ]
    )
    try:
        alertmanager = Alertmanager(port)
        wait_until(alertmanager.is_ready)
        yield alertmanager
    finally:
        process.terminate()
        process.wait()
