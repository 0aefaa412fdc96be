"""Run Debian's Alertmanager, send it alerts, and ask it what fires as its page does."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support import requirements
from tests.support.debian import Server, running_server

CONFIG = """
route: {receiver: nobody, group_wait: 0s, group_interval: 1s}
receivers: [{name: nobody}]
"""


class Alert(NamedTuple):
    """An alert that fires; ``inhibited`` when a worse one silences it."""

    labels: dict[str, str]
    annotations: dict[str, str]
    inhibited: bool


class Alertmanager(Server):
    """A running Alertmanager."""

    def all_alerts(self) -> list[Alert]:
        """Return every alert that fires."""
        return [
            Alert(one["labels"], one["annotations"], bool(one["status"]["inhibitedBy"]))
            for one in json.loads(self.ask("/api/v2/alerts"))
        ]

    def alerts(self, name: str) -> list[Alert]:
        """Return the alerts of this name that fire."""
        return [alert for alert in self.all_alerts() if alert.labels["alertname"] == name]

    def add(self, labels: Mapping[str, str]) -> None:
        """Let an alert with these labels fire, by Debian's amtool."""
        amtool = requirements.require_command("amtool", "prometheus-alertmanager")
        address = f"--alertmanager.url=http://127.0.0.1:{self.port}"
        pairs = [f"{name}={value}" for name, value in labels.items()]
        subprocess.run([amtool, address, "alert", "add", *pairs], check=True, timeout=30)


@contextmanager
def running_alertmanager(folder: Path, config: str = CONFIG) -> Iterator[Alertmanager]:
    """Run an Alertmanager with its data in a folder; by default it notifies nobody."""
    flags = f"--storage.path={folder / 'alertmanager'}", "--cluster.listen-address="
    with running_server(Alertmanager, "prometheus-alertmanager", folder, config, *flags) as alertmanager:
        yield alertmanager
