"""Connections are idle when ss says that no data went either way for so long, and no others are."""

import re
import socket
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from math import inf

import pytest

from exporter.config.settings import Idle, Settings
from exporter.sampling.sampler import Sampler
from tests.support.live.connections import make_deaf
from tests.support.live.namespace import Namespace, inside
from tests.support.live.sampling import NAMES, make_sampler, without_zeros
from tests.support.patience import wait_until

pytestmark = pytest.mark.live

AFTER_SECONDS = 2.0
SETTINGS = Settings(cpu_budget=inf, idle=Idle(after_seconds=3600, every_seconds=0.1))
REDIS = 6379
KEEPING, SILENT = 3, 2
SINCE = re.compile(r"lastsnd:(\d+)|lastrcv:(\d+)")


class Pairs:
    """Connections to a service over one family, some with keepalive; one is used, one waits."""

    def __init__(self, stack: ExitStack, family: socket.AddressFamily, address: str) -> None:
        self._stack, self._address = stack, (address, REDIS)
        self._listener = stack.enter_context(socket.create_server(self._address, family=family))
        for _ in range(KEEPING):
            client, _ = self.connect()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for _ in range(SILENT):
            self.connect()
        self.used = self.connect()
        self.deaf = self.connect()
        make_deaf(self.deaf[1])
        self.deaf[0].send(b"?")

    def connect(self) -> tuple[socket.socket, socket.socket]:
        """Return both ends of a new connection, the client first."""
        client = self._stack.enter_context(socket.create_connection(self._address))
        return client, self._stack.enter_context(self._listener.accept()[0])

    def use(self) -> None:
        """Send data from client to server."""
        client, server = self.used
        client.send(b"!")
        server.recv(1)


def idle(sampler: Sampler) -> dict[tuple[str, ...], float]:
    """Return the idle connections of a pass, by family, direction and keepalive."""
    samples = without_zeros(sampler.take_snapshot().samples["netstat_idle_sockets"])
    assert {("tcp", "6379", "redis")} >= {(key[0], *key[3:5]) for key in samples}
    return {(key[1], key[2], key[5]): number for key, number in samples.items()}


def idle_by_ss(namespace: Namespace, milliseconds: float) -> dict[tuple[str, ...], int]:
    """Return the same as ss has it: it leaves out a time that is 0."""
    found = Counter[tuple[str, ...]]()
    text = namespace.run("ss", "--no-header", "--oneline", "-tnoi", "state", "established")
    for line in text.splitlines():
        since = [int(sent or received) for sent, received in SINCE.findall(line)]
        if len(since) == 2 and min(since) >= milliseconds and "timer:(on" not in line:
            family = "ipv6" if "[" in line else "ipv4"
            local = line.split()[2]
            direction = "inbound" if local.endswith(f":{REDIS}") else "outbound"
            found[family, direction, "yes" if "timer:(keepalive" in line else "no"] += 1
    return dict(found)


def test_idle_connections(namespace: Namespace, ss: None) -> None:
    """Those that are used, that are new, or that wait for an answer are not idle."""
    del ss
    with ExitStack() as stack, inside(namespace.path):
        both = [Pairs(stack, socket.AF_INET, "127.0.0.1"), Pairs(stack, socket.AF_INET6, "::1")]
        expected = {
            (family, *rest): number
            for family in ("ipv4", "ipv6")
            for rest, number in {
                ("outbound", "yes"): KEEPING,
                ("outbound", "no"): SILENT,
                ("inbound", "no"): KEEPING + SILENT + 1,
            }.items()
        }
        sampler = make_sampler(SETTINGS)
        assert idle(sampler) == {}

        def is_idle() -> bool:
            for pairs in both:
                pairs.use()
            return idle_by_ss(namespace, AFTER_SECONDS * 1000) == expected

        wait_until(is_idle, pause_seconds=0.1)
        sampler.change_settings(replace(SETTINGS, idle=Idle(after_seconds=AFTER_SECONDS)), NAMES)

        def is_counted() -> bool:  # on a busy machine two seconds are soon over
            for pairs in both:
                pairs.use()
            return idle(sampler) == expected

        wait_until(is_counted, pause_seconds=0.2)
