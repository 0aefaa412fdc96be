"""Run Debian's Prometheus on a running daemon, and ask it as a dashboard does."""

import json
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import yaml

from tests.support.debian import Server, running_server

SCRAPE_INTERVAL = "200ms"


class Series(NamedTuple):
    """One of the series of an expression: its labels, and its values at their times."""

    labels: dict[str, str]
    values: list[tuple[float, float]]


class Prometheus(Server):
    """A running Prometheus."""

    def query(self, expression: str) -> dict[frozenset[tuple[str, str]], float]:
        """Return the instant vector of an expression, by labels."""
        return self._query({"query": expression})

    def query_at(self, expression: str, at: float) -> dict[frozenset[tuple[str, str]], float]:
        """Return the instant vector of an expression at a time, by labels."""
        return self._query({"query": expression, "time": at})

    def _query(self, parameters: Mapping[str, object]) -> dict[frozenset[tuple[str, str]], float]:
        answer = self.ask(f"/api/v1/query?{urllib.parse.urlencode(parameters)}")
        data = json.loads(answer)["data"]
        assert data["resultType"] == "vector"
        return {frozenset(one["metric"].items()): float(one["value"][1]) for one in data["result"]}

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Return the series of an expression over time."""
        times = {"query": expression, "start": start, "end": end, "step": step}
        answer = self.ask(f"/api/v1/query_range?{urllib.parse.urlencode(times)}")
        return [
            Series(one["metric"], [(float(at), float(value)) for at, value in one["values"]])
            for one in json.loads(answer)["data"]["result"]
        ]


@contextmanager
def running_prometheus(
    folder: Path,
    *ports: int,
    instances: Sequence[str] = (),
    rules: Sequence[Path] = (),
    alertmanager_port: int | None = None,
    interval: str = SCRAPE_INTERVAL,
) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes daemons on the loopback and evaluates rules, with its data in a folder.

    ``instances`` are what the daemons are called, in the order of their ports.
    """
    hosts = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": instance} if instance else {}}
        for port, instance in zip_longest(ports, instances)
    ]
    alertmanagers = [f"127.0.0.1:{alertmanager_port}"] if alertmanager_port else []
    config = {
        "global": dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), interval),
        "scrape_configs": [{"job_name": "netstat", "honor_labels": True, "static_configs": hosts}],
        "rule_files": [str(path) for path in rules],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": alertmanagers}]}]},
    }
    text = yaml.safe_dump(config)
    flags = f"--storage.tsdb.path={folder / 'data'}", "--rules.alert.resend-delay=1s"
    with running_server(Prometheus, "prometheus", folder, text, *flags) as prometheus:
        yield prometheus
