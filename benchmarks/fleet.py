"""Measure how long all queries of the fleet's dashboard take together, with many hosts in a real Prometheus.

    python -m benchmarks.fleet --hosts 1000 --hours 3

What the rules record of each host is written as promtool reads it, made into blocks, and asked for as Grafana
does when the dashboard is opened: now for tables, over the hours for all else.
"""

import argparse
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import yaml

from tests.support.dashboard import CHOSEN, FLEET, read_panels
from tests.support.debian import running_server
from tests.support.prometheus import Prometheus

STEP_SECONDS: Final = 60
RESOURCES: Final = (
    "open files",
    "accept queue",
    "ports of UDP",
    "TIME_WAIT table",
    "orphaned connections",
    "TCP memory",
)
PER_HOST: Final = {
    "instance:up:exporters": 1,
    "instance:netstat_exporter_collector_success:min": 1,
    "instance:netstat_exporter_table_success:min": 1,
    'instance:netstat_sockets:sum{state="established"}': 800,
    'instance:netstat_stuck_sockets:sum{state="close_wait"}': 30,
    'instance:netstat_oldest_socket_age_seconds:max{state="close_wait"}': 9000,
    "instance:netstat_unanswered_sockets:sum": 5,
    "instance:netstat_listener_drops:rate5m": 2,
    "instance:netstat_udp_drops:rate5m": 2,
    'netstat_exporter_build_info{version="1.0.0",python_version="3.11"}': 1,
    'ALERTS{alertname="NetstatCloseWaitLeak",alertstate="firing",severity="warning"}': 1,
} | {f'instance_resource:netstat_used:ratio{{resource="{each}"}}': 1 for each in RESOURCES}
"""Series of a host, and how large they are at most."""
SERVICES: Final = range(20)


def label(series: str, labels: str) -> str:
    """Return a series with more labels."""
    return f"{series[:-1]},{labels}}}" if series.endswith("}") else f"{series}{{{labels}}}"


def write_samples(hosts: int, times: range) -> Iterator[str]:
    """Yield lines of OpenMetrics: what is recorded of each host, and of all together."""
    chance = random.Random(1)  # noqa: S311 - the same fleet each time
    series = [
        (label(name, f'job="netstat",cluster="c{host % 4}",instance="web{host}:9068"'), most)
        for name, most in PER_HOST.items()
        for host in range(hosts if not name.startswith("ALERTS") else hosts // 10)
    ]
    for port in SERVICES:
        labels = f'job="netstat",cluster="c{port % 4}",state="established",protocol="tcp",direction="inbound"'
        series.append((f'job_port_state:netstat_sockets:sum{{{labels},port_name="s{port}"}}', 9000))
        owner = f'job="netstat",cluster="c{port % 4}",state="close_wait",owner="s{port}.service"'
        series.append((f"job_owner_state:netstat_owner_sockets:sum{{{owner}}}", 90))
    for name, most in series:
        level = chance.random() * most
        for at in times:
            yield f"{name} {level if most == 1 else level * chance.uniform(0.8, 1):.4g} {at}\n"
    yield "# EOF\n"


def ask(prometheus: Prometheus, times: range) -> dict[str, float]:
    """Return the seconds that each query of the dashboard takes."""
    taken = {}
    for panel in read_panels(FLEET):
        for target in panel.get("targets", []):
            expression = re.sub(r"\$\w+", lambda found: CHOSEN[found[0]], target["expr"])
            begun = time.perf_counter()
            if target["instant"]:
                prometheus.query_at(expression, times[-1])
            else:
                prometheus.query_range(
                    expression, times[0], times[-1], (times[-1] - times[0]) / panel["maxDataPoints"]
                )
            taken[f"{panel['title']} {target['refId']}"] = time.perf_counter() - begun
    return taken


def main() -> None:
    """Write, load, ask, and print what it took, the slowest first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--hours", type=int, default=3)
    flags = parser.parse_args()
    end = int(time.time()) // STEP_SECONDS * STEP_SECONDS
    times = range(end - flags.hours * 3600, end + 1, STEP_SECONDS)
    with TemporaryDirectory() as name:
        folder = Path(name)
        samples = folder / "samples"
        with samples.open("w") as file:
            file.writelines(write_samples(flags.hosts, times))
        blocks = [
            "promtool",
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            "--quiet",
            str(samples),
            str(folder / "data"),
        ]
        subprocess.run(blocks, check=True, stdout=sys.stderr)
        samples.unlink()
        config = yaml.safe_dump({"global": {}})
        with running_server(
            Prometheus, "prometheus", folder, config, f"--storage.tsdb.path={folder / 'data'}"
        ) as server:
            ask(server, times)  # Grafana's first load finds files in the page cache as well
            taken = ask(server, times)
    for query, seconds in sorted(taken.items(), key=lambda item: -item[1]):
        print(f"{seconds * 1000:8.1f} ms  {query}")
    print(f"{sum(taken.values()):8.2f} s   {len(taken)} queries, {flags.hosts} hosts, {flags.hours} hours")


if __name__ == "__main__":
    main()
