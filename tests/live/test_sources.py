"""Both of the kernel's interfaces give one page, and the exporter takes the better one by itself."""

import re
import resource
import socket
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from threading import Event

import pytest

from exporter.config.settings import Ages, Settings
from exporter.kernel.tables import TABLES
from exporter.sampling.reading.sources import LARGE_ROWS, MEASURED_PASSES
from tests.support import requirements
from tests.support.daemon import ALONE, Labels, parse_page, run_once
from tests.support.live.leaker import Leaker, leaking
from tests.support.live.namespace import Namespace, inside
from tests.support.live.outbound import Destination, outbound
from tests.support.live.sampling import make_sampler, without_zeros
from tests.support.live.sockets import held_sockets
from tests.support.live.unix import FORGED

pytestmark = pytest.mark.live

SIZES_SEEN = 5
EPHEMERAL, CONNECTED = 48000, 1500
WITHOUT_NETLINK = (sys.executable, "-m", "tests.support.without_netlink")
Samples = dict[tuple[str, Labels], float]


def take_page(namespace: Namespace, folder: Path, source: str, *prefix: str) -> Samples:
    """Return the page of one pass over every table by a source."""
    config = folder / f"{source}.yaml"
    config.write_text(f"source: {source}\ntables: [{', '.join(TABLES)}]\n{ALONE}")
    run = run_once("--once", f"--config.file={config}", prefix=[*namespace.command(), *prefix])
    assert run.returncode == 0, run.stderr
    return parse_page(run.stdout)


def sources_of(page: Samples) -> dict[str, str]:
    """Return the source of each table."""
    infos = [dict(labels) for name, labels in page if name == "netstat_exporter_table_source_info"]
    return {info["table"]: info["source"] for info in infos}


def counts_of(page: Samples) -> Counter[tuple[str, Labels]]:
    """Return everything that was counted, without what it cost, how it was read, and what is the host's.

    Nor is there what goes on while nothing is done: the kernel sends again what has no answer, and other
    tests' processes come and go.
    """
    others = (
        "netstat_unanswered_sockets",
        "netstat_tcp_segments_sent_total",
        "netstat_tcp_segments_retransmitted_total",
        "netstat_exporter_table_source_info",
        "netstat_exporter_build_info",
        "netstat_orphaned_sockets",
        "netstat_tcp_sockets_allocated",
        "netstat_tcp_memory_bytes",
        "netstat_owner_open_files",
        "netstat_owner_open_files_limit",
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
    """Nothing is missing but what procfs lacks: limits of accept queues, and owners of listeners."""
    with held_sockets("connections", namespace):
        denied = take_page(namespace, tmp_path, "netlink", *WITHOUT_NETLINK)
        allowed = take_page(namespace, tmp_path, "procfs")
    sources = sources_of(denied)
    assert {sources["tcp"], sources["tcp6"]} == {"procfs"}
    missing, other = counts_of(allowed) - counts_of(denied), counts_of(denied) - counts_of(allowed)
    assert "netstat_accept_queue_limit" in {name for name, _ in missing}
    assert {name for name, _ in missing} <= {"netstat_accept_queue_limit", "netstat_listener_info"}
    assert {(name, dict(labels)["owner"]) for name, labels in other} <= {("netstat_listener_info", "unknown")}


@pytest.mark.parametrize("source", ["procfs", "netlink"])
def test_counts_ages_and_owners_are_of_one_instant(namespace: Namespace, source: str) -> None:
    """However many sockets are leaked and dropped meanwhile, those of one page agree to the socket."""
    settings = Settings(source=source, ages=Ages(stuck_after_seconds=0.0))
    done = Event()
    agreed: set[float] = set()
    with leaking(namespace.command()) as leaker, inside(namespace.path), ThreadPoolExecutor() as pool:
        sampler = make_sampler(settings)
        churning = pool.submit(leak_and_drop, leaker, done)
        try:
            while len(agreed) < SIZES_SEEN:
                samples = sampler.take_snapshot().samples
                counted = of_leaks(samples["netstat_sockets"])
                assert of_leaks(samples["netstat_owner_sockets"]) == counted
                assert of_leaks(samples["netstat_stuck_sockets"]) <= counted
                agreed.add(counted)
        finally:
            done.set()
        churning.result()


def leak_and_drop(leaker: Leaker, done: Event) -> None:
    """Leak some sockets and drop them, again and again."""
    while not done.is_set():
        for port in range(40000, 40040):
            leaker.tell(f"leak {port}")
        leaker.tell("drop")


def of_leaks(samples: Mapping[tuple[str, ...], float]) -> float:
    """Return how many sockets in CLOSE_WAIT there are."""
    return sum(number for labels, number in samples.items() if "close_wait" in labels)


@pytest.mark.parametrize("source", ["procfs", "netlink"])
def test_a_udp_server_at_an_ephemeral_port_is_inbound_from_the_second_pass_on(
    namespace: Namespace, source: str
) -> None:
    """The kernel lists its connected sockets before the one that is not, over several blocks."""
    with inside(namespace.path), udp_server(EPHEMERAL, CONNECTED):
        sampler = make_sampler(Settings(source=source, tables=("udp",)))
        sampler.take_snapshot()
        sockets = without_zeros(sampler.take_snapshot().samples["netstat_sockets"])
    port = str(EPHEMERAL)
    assert sockets == {
        ("udp", "ipv4", "established", "inbound", port, port): CONNECTED,
        ("udp", "ipv4", "unconnected", "inbound", port, port): 1,
    }


@contextmanager
def udp_server(port: int, connected: int) -> Iterator[None]:
    """Hold a UDP server at a port, with a connected socket for each of its clients."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    try:
        with ExitStack() as held:
            for client in range(connected + 1):
                server = held.enter_context(socket.socket(type=socket.SOCK_DGRAM))
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                server.bind(("127.0.0.1", port))
                if client:
                    server.connect(("127.0.0.2", client))
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("leaks", [0, 3])
def test_procfs_opens_each_table_once_a_pass(namespace: Namespace, tmp_path: Path, leaks: int) -> None:
    """So says strace, whether or not there is anything to track; listeners are asked for over netlink."""
    strace = requirements.require_command("strace", "strace")
    config, trace = tmp_path / "config.yaml", tmp_path / "trace"
    config.write_text(f"source: procfs\n{ALONE}")
    watch = [strace, "--follow-forks", "--trace=openat", f"--output={trace}"]
    with leaking(namespace.command()) as leaker, ExitStack() as held:
        with inside(namespace.path):  # a table without a socket is not opened at all
            for family in (socket.AF_INET, socket.AF_INET6):
                held.enter_context(socket.socket(family, socket.SOCK_DGRAM)).bind(("", 0))
        for port in range(leaks):
            leaker.tell(f"leak {40000 + port}")
        run = run_once("--once", f"--config.file={config}", prefix=[*namespace.command(), *watch])
    assert run.returncode == 0, run.stderr
    counted = Counter({key: int(value) for key, value in parse_page(run.stdout).items()})
    assert sum(n for (name, labels), n in counted.items() if is_leak(name, labels)) == leaks
    opened = Counter(re.findall(r'"/proc/[^"]*/net/(tcp6?|udp6?)", [^)]*\) = \d', trace.read_text()))
    assert opened == {"tcp": 1, "tcp6": 1, "udp": 1, "udp6": 1}


def is_leak(name: str, labels: Labels) -> bool:
    """Tell whether a sample counts sockets in CLOSE_WAIT."""
    return name == "netstat_sockets" and ("state", "close_wait") in labels


def test_a_large_table_is_read_over_netlink_from_the_first_pass_on(namespace: Namespace) -> None:
    """The kernel's own counters tell how large it is before it is read."""
    with held_sockets("many", namespace), inside(namespace.path):
        sampler = make_sampler(Settings(tables=("tcp", "tcp6")))
        found = [{status.table: status.source for status in sampler.take_snapshot().tables} for _ in range(4)]
    assert found == [{"tcp": "netlink", "tcp6": "netlink"}] * 4


def test_a_table_that_grows_large_is_read_over_netlink(namespace: Namespace) -> None:
    """While there are few sockets both sources are tried; ages go on whichever is used."""
    with leaking(namespace.command()) as leaker, inside(namespace.path):
        sampler = make_sampler(Settings(tables=("tcp",)))
        leaker.tell("leak 40000")
        small = [sampler.take_snapshot() for _ in range(2 * MEASURED_PASSES)]
        with outbound(namespace, 5432, Destination("127.0.0.1", LARGE_ROWS)):
            large = sampler.take_snapshot()
    sources = [snapshot.tables[0].source for snapshot in small]
    assert (sources[0], sources[-1]) == ("netlink", "procfs")  # each is measured some times
    assert large.tables[0].source == "netlink"
    assert large.tables[0].rows > LARGE_ROWS
    ages = [
        max(each.samples["netstat_oldest_socket_age_seconds"].values(), default=0) for each in (*small, large)
    ]
    assert all(before < after for before, after in pairwise(ages))
