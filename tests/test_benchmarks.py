"""The benchmarks really measure everyone, with as many sockets as they say."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pytest

from benchmarks.chart import LINES
from benchmarks.contenders import COUNTS, QUESTIONS, SHIPPED, SHIPPED_UNTRACKED, UNANSWERED
from benchmarks.contenders import PEERS as PEERS_OF_TCP
from benchmarks.processes import running_worker
from benchmarks.results import SHARES, Cost, Stage, Start
from benchmarks.sockets import divide, make_udp
from benchmarks.targets import bytes_per_tracked, targets
from tests.support import requirements
from tests.support.daemon import ROOT
from tests.support.patience import PATIENCE_SECONDS

PEERS = {
    "ss": "iproute2",
    "netstat": "net-tools",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "collectd": "collectd-core",
}
EVERYONE = {
    "bare read",
    "bare dump of one family",
    "bare dump of each family",
    "bare dump, both families at once",
    "as shipped",
    "as shipped, none tracked",
    "as shipped, procfs",
    "counts only, netlink",
    "counts only, procfs",
    "counts, idle and memory at every pass, netlink",
    "ss -tan",
    "netstat -tan",
    "psutil net_connections",
    "node_exporter tcpstat",
    "collectd tcpconns",
}
GROWN = "## 400 TCP sockets, 5% in CLOSE_WAIT"
JUDGED = {"reached", "not reached"}
pytestmark = [pytest.mark.live, pytest.mark.long]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a short run."""
    requirements.require_root()
    for peer, package in PEERS.items():
        requirements.require_command(peer, package)
    path = tmp_path_factory.mktemp("report") / "benchmarks.md"
    sizes = ("--headline", "400", "--tcp", "200", "--udp", "200", "--ports", "60", "--namespaces", "10")
    quickly = ("--events", "100", "--rounds", "1", "--asking-time", "0")
    command = (sys.executable, "-m", "benchmarks.bench", *sizes, *quickly, "--require-all", "--output", path)
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    return path


def test_every_contender_is_measured(report: Path) -> None:
    """Each has CPU time, a ratio to the kernel's, and memory."""
    rows = {row[0]: row for row in table(report, GROWN)[1:]}
    assert EVERYONE == rows.keys()
    for _, _, cpu_ms, _, ratio, peak_mb, samples in rows.values():
        assert float(cpu_ms) > 0
        assert float(ratio.removesuffix(" x")) > 0
        assert float(peak_mb) > 0
        assert samples == "1"
    assert "1.00 x" == rows["bare dump of one family"][4] == rows["bare read"][4]


def test_other_namespaces_are_measured(report: Path) -> None:
    """Each size has a row; a single one has been read in the first pass, and costs memory."""
    rows = {row[0]: row for row in table(report, "## Other network namespaces")[1:]}
    assert list(rows) == ["0 of 5 sockets", "1 of 5 sockets", "10 of 5 sockets"]
    for _, first, passes, idle, changing, naive, kilobytes in rows.values():
        assert int(passes) >= 1
        assert all(float(number) > 0 for number in (first, idle, changing))
        assert float(naive) >= 0
        assert kilobytes == "-" or float(kilobytes) >= 0


def test_headline_puts_all_beside_the_pass_as_shipped(report: Path) -> None:
    """Each has CPU time at every share in CLOSE_WAIT, and a ratio to ours; those that need less are named."""
    heading = "## The pass as shipped: 400 TCP sockets"
    rows = {row[0]: row for row in table(report, heading)[1:]}
    assert EVERYONE == rows.keys()
    assert all(float(cpu_ms) > 0 for row in rows.values() for cpu_ms in row[2:5])
    assert "1.00 x" == rows["as shipped"][5]
    said = section(report, heading).partition("need less CPU than we do: ")[2].partition("; less memory")[0]
    for peer in PEERS_OF_TCP:
        assert (peer in said) == (float(rows[peer][5].removesuffix(" x")) < 1)


def test_the_sockets_asked_for_were_there(report: Path) -> None:
    """They are counted by the kernel twice: in its table and in its own counters."""
    for share in SHARES:
        tcp = numbers(report, f"## 400 TCP sockets, {share:.0%} in CLOSE_WAIT")
        shares = divide(400, share)
        assert all(count <= tcp[state] for state, count in shares._asdict().items())
        assert int(400 * share) == shares.close_wait
        assert 200 <= tcp["inuse"] <= 210
        assert 200 <= tcp["tw"] <= 210
    assert 200 == numbers(report, "## 200 UDP sockets")["inuse"]


def test_many_remote_ports_are_measured(report: Path) -> None:
    """There are as many sockets with few remote ports as with many."""
    for ports in (30, 60):
        heading = f"## 60 UDP sockets, connected to {ports} remote ports"
        assert 60 == numbers(report, heading)["inuse"]
        assert ["as shipped"] == [row[0] for row in table(report, heading)[1:]]
    assert verdicts(report)["as shipped, most remote ports over fewest"] in JUDGED


def test_close_events_are_measured(report: Path) -> None:
    """All of them, and a share."""
    rows = table(report, "## The thread of the collector closed_connections, 100 events")[1:]
    assert ["all events", "one event in 16"] == [row[0] for row in rows]
    assert all(float(row[2]) > 0 for row in rows)


def test_the_status_page_is_measured(report: Path) -> None:
    """What makes it, and the memory of a daemon with everything on that has shown it."""
    rows = table(report, "## The status of a host with 200 pods")[1:]
    assert ["status page", "status as JSON"] == [row[0] for row in rows]
    assert all(float(row[2]) > 0 for row in rows)
    found = verdicts(report)
    assert found["status page, 100 ports and 200 pods"] in JUDGED
    memory = "resident memory of the daemon, everything on, after a view of the status page"
    assert found[memory] in JUDGED


def test_udp_sockets_have_as_many_remote_ports_as_asked_for() -> None:
    """So do those of several processes together."""
    kept = [make_udp(number, 50, 70) for number in (1, 2)]
    ports = {end.getpeername()[1] for ends in kept for end in ends}
    for end in chain.from_iterable(kept):
        end.close()
    assert 50 < len(ports) <= 70


def test_the_daemon_answered(report: Path) -> None:
    """Hundreds of requests were made while it took passes."""
    _, *rows = table(report, "## Answers of the daemon")
    assert ["200", "400"] == [row[0] for row in rows]
    for _, requests, *milliseconds, resident_mb in rows:
        assert int(requests) >= 300
        assert sorted(map(float, milliseconds)) == [float(each) for each in milliseconds]
        assert 10 < float(resident_mb) < 100


def test_targets_are_judged(report: Path) -> None:
    """What was measured is reached or not; what was not measured says so."""
    found = verdicts(report)
    assert found["resident memory of the daemon, 300 sockets, all default tables"] in JUDGED
    assert found["as shipped, 300 sockets, all default tables"] in JUDGED
    assert found["memory of a tracked socket"] in JUDGED
    shipped = "as shipped, over bare dump of one family, 100,000 tcp, 5% in CLOSE_WAIT"
    assert "not measured" == found[shipped]


def test_memory_of_a_tracked_socket_is_its_growth() -> None:
    """What those have that track nothing is no part of it, nor what is there with few sockets."""
    peaks = {1_000: (30.0, 30.0), 101_000: (40.5, 40.0)}
    stages = [
        Stage("tcp", size, "", {SHIPPED: cost(tracking), SHIPPED_UNTRACKED: cost(not_tracking)})
        for size, (tracking, not_tracking) in peaks.items()
    ]
    assert pytest.approx(100) == bytes_per_tracked(stages)
    assert bytes_per_tracked(stages[:1]) is None
    too_slow = stages[1]._replace(costs={SHIPPED: cost(45.0), SHIPPED_UNTRACKED: cost(0.0)})
    assert bytes_per_tracked([stages[0], too_slow]) is None


def test_start_is_judged() -> None:
    """The first snapshot of a million sockets, and the interval then, are held against their limits."""
    stage = Stage("tcp", 1_000_000, "", {}, start=Start(3.9, 31))
    found = {target.text.partition(",")[0]: target.verdict for target in targets([stage])}
    assert "reached" == found["first snapshot"]
    assert "not reached" == found["interval in force then"]


def test_what_is_asked_beside_the_counts_is_judged_by_pairs_and_parts() -> None:
    """A round that was slow for both says nothing, and what no difference shows is measured by itself."""
    counts, questions = (
        Cost("netlink", each, 0.0, "") for each in ((90.0, 200.0, 91.0), (140.0, 255.0, 160.0))
    )
    parts = {UNANSWERED: Cost("netlink", (0.4, 0.5, 9.0), 0.0, "")}
    stage = Stage("tcp", 100_000, "", {COUNTS: counts, QUESTIONS: questions}, parts=parts)
    found = {target.text: target.value for target in targets([stage])}
    assert found[f"{UNANSWERED}, 100,000 tcp"] == 0.5
    assert found["idle connections and memory, once a minute, 100,000 tcp"] == 55


def test_an_observer_is_measured_without_the_dump() -> None:
    """It costs something, and less than all of the work."""
    with running_worker("unanswered", "tcp") as observer, running_worker("dump-families", "tcp") as dump:
        assert 0 < observer.sample(PATIENCE_SECONDS) < dump.sample(PATIENCE_SECONDS)


def test_lines_of_the_chart_are_labelled_and_differ_in_grey(report: Path) -> None:
    """Each has its name at its end, and dashes or a width of its own."""
    chart = report.with_suffix(".svg").read_text()
    assert all(f">{name}, " in chart for name in LINES)
    strokes = re.findall(r'class="line".* stroke-width="(.*?)" stroke-dasharray="(.*?)"', chart)
    assert len(LINES) == len(set(strokes)) == len(strokes)


def cost(peak_mb: float) -> Cost:
    """Return what a contender spent."""
    return Cost("netlink", (1.0,), peak_mb, "")


def verdicts(report: Path) -> dict[str, str]:
    """Return the targets, and whether they are reached."""
    return {row[0]: row[3] for row in table(report, "## Targets")[1:]}


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
