"""The benchmarks really measure everyone, with as many sockets as they say."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.bench import CLOSE_WAIT_SHARE
from benchmarks.sockets import divide
from tests.support import requirements
from tests.support.daemon import ROOT

PEERS = {
    "ss": "iproute2",
    "netstat": "net-tools",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "collectd": "collectd-core",
}
EVERYONE = {
    "bare read",
    "bare dump",
    "bare dump, both families at once",
    "our pass, procfs",
    "our pass, netlink",
    "our pass, auto",
    "our pass, everything on",
    "ss -tan",
    "netstat -tan",
    "psutil net_connections",
    "node_exporter tcpstat",
    "collectd tcpconns",
}
pytestmark = [pytest.mark.live, pytest.mark.long]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a short run."""
    requirements.require_root()
    for peer, package in PEERS.items():
        requirements.require_command(peer, package)
    path = tmp_path_factory.mktemp("report") / "benchmarks.md"
    sizes = ("--tcp", "200", "--udp", "200", "--capabilities", "100", "200", "--rounds", "2")
    command = (sys.executable, "-m", "benchmarks.bench", *sizes, "--require-all", "--output", str(path))
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    return path


def test_every_contender_is_measured(report: Path) -> None:
    """Each has CPU time, a ratio to the kernel's, and memory; ours is seen at every kind of socket."""
    rows = {row[0]: row for row in table(report, "## 200 TCP sockets")[1:]}
    assert EVERYONE == rows.keys()
    for _, _, cpu_ms, _, ratio, peak_mb, samples in rows.values():
        assert float(cpu_ms) > 0
        assert float(ratio.removesuffix(" x")) > 0
        assert float(peak_mb) > 0
        assert samples == "2"
    assert "our pass, procfs" in {row[0] for row in table(report, "## 200 UDP sockets")}


def test_the_sockets_asked_for_were_there(report: Path) -> None:
    """They are counted by the kernel twice: in its table and in its own counters."""
    tcp, udp = (numbers(report, f"## 200 {protocol} sockets") for protocol in ("TCP", "UDP"))
    assert all(count <= tcp[state] for state, count in divide(200, CLOSE_WAIT_SHARE)._asdict().items())
    assert 100 <= tcp["inuse"] <= 110
    assert 100 <= tcp["tw"] <= 110
    assert 200 == udp["inuse"]


def test_capabilities_are_measured(report: Path) -> None:
    """Passes with more than counts stand beside those without, and a tenth of the sockets is followed."""
    heading = "## What the capabilities cost, all default tables: 200 TCP sockets"
    rows = {row[0]: float(row[4].removesuffix(" x")) for row in table(report, heading)[1:]}
    assert 3 == len(rows)
    assert 1 == rows["our pass, netlink"] < rows["our pass, everything on"]
    assert 20 == numbers(report, heading)["close_wait"]


def test_the_daemon_answered(report: Path) -> None:
    """Hundreds of requests were made while it took passes."""
    (_, (sockets, requests, *milliseconds, resident_mb)) = table(report, "## Answers of the daemon")
    assert "200" == sockets
    assert int(requests) >= 300
    assert sorted(map(float, milliseconds)) == [float(each) for each in milliseconds]
    assert 10 < float(resident_mb) < 100


def test_targets_are_judged(report: Path) -> None:
    """What was measured is reached or not; what was not measured says so."""
    verdicts = {row[0]: row[3] for row in table(report, "## Targets")[1:]}
    assert verdicts["resident memory of the daemon"] in {"reached", "not reached"}
    assert "not measured" == verdicts["our pass, procfs, over bare read, 100,000 tcp"]


def test_chart_names_everyone(report: Path) -> None:
    """Every line of the chart is labelled."""
    chart = report.with_suffix(".svg").read_text()
    assert all(name in chart for name in EVERYONE)


def section(report: Path, heading: str) -> str:
    """Return the text between a heading and the next."""
    return report.read_text().partition(heading)[2].partition("\n## ")[0]


def table(report: Path, heading: str) -> Sequence[Sequence[str]]:
    """Return the cells of the table under a heading, its head first."""
    lines = [line for line in section(report, heading).splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    return [row for row in rows if not set("".join(row)) <= set("-:")]


def numbers(report: Path, heading: str) -> dict[str, int]:
    """Return what was there under a heading, by name: ``100 time_wait`` and ``tw 100`` alike."""
    there = section(report, heading).partition("There: ")[2].partition(".\n")[0].replace(",", " ")
    states = {name: int(number) for number, name in re.findall(r"(\d+) ([a-z_]+)", there.partition("(")[0])}
    counters = {name: int(number) for name, number in re.findall(r"([a-z]+) (\d+)", there.partition("(")[2])}
    return states | counters
