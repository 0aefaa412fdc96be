"""Run Debian's Alertmanager, and ask it what fires as its page does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.debian import Server, running_server

CONFIG = """
route: {receiver: nobody, group_wait: 0s, group_interval: 1s}
receivers: [{name: nobody}]
"""


class Alert(NamedTuple):
    """An alert that fires."""

    labels: dict[str, str]
    annotations: dict[str, str]


class Alertmanager(Server):
    """A running Alertmanager."""

    def alerts(self, name: str) -> list[Alert]:
        """Return the alerts of this name that fire."""
        fired = [Alert(one["labels"], one["annotations"]) for one in json.loads(self.ask("/api/v2/alerts"))]
        return [alert for alert in fired if alert.labels["alertname"] == name]


@contextmanager
def running_alertmanager(folder: Path) -> Iterator[Alertmanager]:
    """Run an Alertmanager that tells nobody, with its data in a folder."""
    (folder / "alertmanager.yml").write_text(CONFIG)
    flags = [
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        "--cluster.listen-address=",
    ]
    with running_server(Alertmanager, "prometheus-alertmanager", *flags) as alertmanager:
        yield alertmanager
