"""Thousands of scrapes, over TLS and plain, among clients that misbehave, leave everything as it was."""

import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import psutil
import pytest

from tests.serving.test_attacks import attacking
from tests.serving.test_tls import TLS, Secured, running_secured
from tests.support.daemon import PATIENCE_SECONDS, Daemon, running_daemon
from tests.support.patience import settle, wait_until

pytestmark = pytest.mark.long

SCRAPES_A_ROUND = 1000
MOST_ROUNDS = 20
QUIET_ROUNDS = 4
SCRAPES_PER_CONNECTION = 20
SCRAPERS = 4
ATTACK_PAUSE_SECONDS = 0.2  # what time the daemon has is for scrapes
LARGEST_GROWTH_BYTES = 1 << 20  # a quarter of a kilobyte a scrape
ONE_HEAP = ("env", "MALLOC_ARENA_MAX=1")
"""With a heap for each thread, it is chance how much is kept of what was freed."""


def scrape(connect: Callable[[str], HTTPConnection], number: int) -> None:
    """Scrape so often, from several addresses, as each has its own share."""

    def run(scraper: int) -> None:
        for _ in range(number // SCRAPERS // SCRAPES_PER_CONNECTION):
            connection = connect(f"127.0.0.{10 + scraper}")
            for _ in range(SCRAPES_PER_CONNECTION):
                connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
                response = connection.getresponse()
                assert (response.status, response.read()[:2]) == (200, b"\x1f\x8b")
            connection.close()

    with ThreadPoolExecutor(SCRAPERS) as pool:
        list(pool.map(run, range(SCRAPERS)))


def take_holdings(daemon: Daemon) -> tuple[int, int, int]:
    """Return the descriptors, threads and bytes that the daemon has when nobody is connected."""
    process = psutil.Process(daemon.process.pid)
    wait_until(lambda: not any(one.raddr[:1] for one in process.net_connections("tcp")))
    wait_until(lambda: process.num_threads() <= 5)  # a pass or a page may be under way
    return process.num_fds(), process.num_threads(), process.memory_info().rss


def connect_plainly(daemon: Daemon) -> Callable[[str], HTTPConnection]:
    """Return what connects from an address."""
    return lambda source: HTTPConnection(
        "127.0.0.1", daemon.port, timeout=PATIENCE_SECONDS, source_address=(source, 0)
    )


def connect_securely(secured: Secured) -> Callable[[str], HTTPConnection]:
    """Return what connects from an address, over TLS."""
    context = ssl.create_default_context(cafile=str(secured.certificates.ca))
    return lambda source: HTTPSConnection(
        "localhost",
        secured.daemon.port,
        timeout=PATIENCE_SECONDS,
        context=context,
        source_address=(source, 0),
    )


def soak(daemon: Daemon, connect: Callable[[str], HTTPConnection], *attacks: str) -> None:
    """Scrape under attack until the daemon's memory stands still; compare its files and threads then."""

    def scrape_under_attack() -> tuple[int, int, int]:
        with ExitStack() as stack:
            for attack in attacks:
                stack.enter_context(attacking(attack, daemon.port, ATTACK_PAUSE_SECONDS))
            scrape(connect, SCRAPES_A_ROUND)
        return take_holdings(daemon)

    before = scrape_under_attack()
    settle(lambda: scrape_under_attack()[2], LARGEST_GROWTH_BYTES, QUIET_ROUNDS, MOST_ROUNDS)
    after = take_holdings(daemon)
    assert after[0] <= before[0] + 1
    assert after[1] <= before[1] + 1


def test_plain_scrapes_leave_nothing_behind() -> None:
    with running_daemon(prefix=ONE_HEAP) as daemon:
        soak(daemon, connect_plainly(daemon), "half-closed", "many headers")


def test_scrapes_over_tls_leave_nothing_behind(tmp_path: Path) -> None:
    with running_secured(tmp_path, TLS, prefix=ONE_HEAP) as secured:
        soak(secured.daemon, connect_securely(secured), "handshakes")
