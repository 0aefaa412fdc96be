"""Both of the kernel's interfaces give one page, and the exporter takes the better one by itself."""

import sys
from collections import Counter
from pathlib import Path

import pytest

from exporter.kernel.tables import TABLES
from exporter.sampling.sources import LARGE_ROWS
from tests.support.daemon import Labels, parse_page, run_once, running_daemon
from tests.support.live.namespace import Namespace
from tests.support.live.sockets import held_sockets
from tests.support.live.unix import FORGED

pytestmark = pytest.mark.live

THE_DAEMONS_LISTENER = 1
WITHOUT_NETLINK = (sys.executable, "-m", "tests.support.without_netlink")
Samples = dict[tuple[str, Labels], float]


def take_page(namespace: Namespace, folder: Path, source: str, *prefix: str) -> Samples:
    """Return the page of one pass over every table by a source."""
    config = folder / f"{source}.yaml"
    config.write_text(f"source: {source}\ntables: [{', '.join(TABLES)}]\n")
    run = run_once("--once", f"--config.file={config}", prefix=[*namespace.command(), *prefix])
    assert run.returncode == 0, run.stderr
    return parse_page(run.stdout)


def sources_of(page: Samples) -> dict[str, str]:
    """Return the source of each table."""
    infos = [dict(labels) for name, labels in page if name == "netstat_exporter_table_source_info"]
    return {info["table"]: info["source"] for info in infos}


def counts_of(page: Samples) -> Counter[tuple[str, Labels]]:
    """Return everything that was counted, without what it cost, how it was read, and what is the host's."""
    others = (
        "netstat_exporter_table_source_info",
        "netstat_exporter_build_info",
        "netstat_orphaned_sockets",
        "netstat_tcp_memory_bytes",
    )
    return Counter(
        {
            (name, labels): int(value)
            for (name, labels), value in page.items()
            if "_seconds" not in name and name not in others
        }
    )


def test_both_sources_give_one_page(namespace: Namespace, tmp_path: Path) -> None:
    """Label for label, over every table, state and side; only forged unix rows are in procfs alone."""
    with held_sockets("everything", namespace):
        by_procfs = take_page(namespace, tmp_path, "procfs")
        by_netlink = take_page(namespace, tmp_path, "netlink")
    assert set(sources_of(by_procfs).values()) == {"procfs"}
    sources = sources_of(by_netlink)
    assert {sources[table] for table in ("tcp", "tcp6", "udp", "udp6", "unix")} == {"netlink"}
    difference = {
        key: by_procfs[key] - by_netlink[key]
        for key in by_procfs.keys() & by_netlink.keys()
        if key in counts_of(by_procfs) and by_procfs[key] != by_netlink[key]
    }
    assert {key for key in counts_of(by_procfs) if key not in by_netlink} == set()
    assert {key for key in counts_of(by_netlink) if key not in by_procfs} == set()
    of_unix = frozenset({("table", "unix")})
    forged = next(key for key in difference if key[0] == "netstat_sockets")
    assert {("protocol", "unix"), ("state", FORGED.state)} <= forged[1]
    assert difference.pop(forged) == FORGED.sockets
    malformed = difference.pop(("netstat_exporter_malformed_rows_total", of_unix))
    assert difference == {("netstat_exporter_table_rows", of_unix): FORGED.sockets + malformed}


def test_limits_of_accept_queues_are_there_whatever_the_source(namespace: Namespace, tmp_path: Path) -> None:
    with held_sockets("connections", namespace):
        pages = [take_page(namespace, tmp_path, source) for source in ("procfs", "netlink")]
    limits = [
        {key: value for key, value in page.items() if key[0] == "netstat_accept_queue_limit"}
        for page in pages
    ]
    assert limits[0] == limits[1]
    assert any(value > 0 for value in limits[0].values())


def test_where_netlink_is_denied_procfs_takes_its_place(namespace: Namespace, tmp_path: Path) -> None:
    """It is said once for each table, and nothing but the limits that procfs lacks is missing."""
    with held_sockets("connections", namespace):
        denied = take_page(namespace, tmp_path, "netlink", *WITHOUT_NETLINK)
        allowed = take_page(namespace, tmp_path, "procfs")
    assert set(sources_of(denied).values()) == {"procfs"}
    missing = counts_of(allowed) - counts_of(denied)
    assert {name for name, _ in missing} == {"netstat_accept_queue_limit"}
    assert counts_of(denied) - counts_of(allowed) == Counter()


def test_a_table_that_grows_large_is_read_over_netlink(namespace: Namespace, tmp_path: Path) -> None:
    """One line of the log says so of each table, as both are in one dump from then on."""
    config = tmp_path / "config.yaml"
    config.write_text("interval: 100ms\ncpu_budget: 1\n")
    command = namespace.command()
    with (
        running_daemon(f"--config.file={config}", prefix=command, ready=False) as daemon,
        held_sockets("many", namespace) as made,
    ):
        events = [daemon.wait_for("table is read by another source now") for _ in ("tcp", "tcp6")]
        assert [("tcp", "netlink"), ("tcp6", "netlink")] == [
            (event["table"], event["source"]) for event in events
        ]
        there = sum(one.sockets for one in made if one.table == "tcp") + THE_DAEMONS_LISTENER
        assert LARGE_ROWS < int(str(events[0]["rows"])) <= there
        code, log = daemon.stop()
    assert code == 0
    assert "another source" not in log
