"""The memory of services is what ss says that their sockets hold, to the byte, and its owner is known."""

import contextlib
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from math import inf
from pathlib import Path

import pytest

from exporter.config.settings import ALWAYS, Memory, Settings
from exporter.sampling.snapshot import Snapshot
from tests.support.daemon import parse_page, run_once
from tests.support.live.cgroup import enter, made_cgroup
from tests.support.live.namespace import Namespace, inside
from tests.support.live.sampling import make_sampler
from tests.support.patience import wait_until

pytestmark = pytest.mark.live

REDIS, MEMCACHED = 6379, 11211
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
SETTINGS = Settings(cpu_budget=inf, memory=Memory(when=ALWAYS, every_seconds=0.1))
SKMEM = re.compile(r"skmem:\(r(\d+),rb\d+,t\d+,tb\d+,f(\d+),w(\d+),o\d+,bl(\d+)")
KINDS = ("receive", "forward_allocated", "send", "backlog")


SENT = 50_000
FILL = f"""
import socket, sys
listener = socket.create_server(("127.0.0.1", {REDIS}))
client = socket.create_connection(("127.0.0.1", {REDIS}))
server, _ = listener.accept()
client.sendall(bytes({SENT}))
while len(server.recv({SENT}, socket.MSG_PEEK)) < {SENT}:
    pass
print(flush=True)
sys.stdin.read()
"""


def fill(stack: ExitStack, family: socket.AddressFamily, port: int) -> None:
    """Connect to a service that reads nothing, and send it as much as fits, in small pieces."""
    listener = stack.enter_context(socket.create_server((LOOPBACK[family], port), family=family))
    client = stack.enter_context(socket.create_connection((LOOPBACK[family], port)))
    stack.enter_context(listener.accept()[0])
    client.setblocking(False)  # noqa: FBT003
    with contextlib.suppress(BlockingIOError):
        for _ in range(20_000):
            client.send(bytes(100))


def held_by_ss(namespace: Namespace) -> Mapping[tuple[str, ...], int]:
    """Return the bytes by family, direction, port and kind, as ss has them."""
    found = Counter[tuple[str, ...]]()
    for line in namespace.run("ss", "--no-header", "--oneline", "-tnm").splitlines():
        _, _, _, local, remote, *_ = line.split()
        ports = [address.rpartition(":")[2] for address in (local, remote)]
        direction = "inbound" if ports[0] in {str(REDIS), str(MEMCACHED)} else "outbound"
        service = ports[0] if direction == "inbound" else ports[1]
        (numbers,) = SKMEM.findall(line)
        for kind, number in zip(KINDS, numbers, strict=True):
            found["ipv6" if "[" in local else "ipv4", direction, service, kind] += int(number)
    return +found


def held(snapshot: Snapshot) -> Mapping[tuple[str, ...], float]:
    """Return the same as a pass has it."""
    samples = snapshot.samples["netstat_socket_memory_bytes"]
    return {(*labels[1:4], labels[5]): number for labels, number in samples.items()}


def test_memory_of_services(namespace: Namespace, ss: None) -> None:
    """By what it is for; the other end has its own."""
    del ss
    with ExitStack() as stack, inside(namespace.path):
        fill(stack, socket.AF_INET, REDIS)
        fill(stack, socket.AF_INET6, MEMCACHED)
        sampler = make_sampler(SETTINGS)
        # The kernel goes on sending for a while.
        wait_until(lambda: held(sampler.take_snapshot()) == held_by_ss(namespace), pause_seconds=0.2)
        for family, port in (("ipv4", REDIS), ("ipv6", MEMCACHED)):
            assert held_by_ss(namespace)[family, "inbound", str(port), "receive"] > 100_000


def test_owner_is_known_without_any_privilege(
    namespace: Namespace, folder: Path, unprivileged: list[str]
) -> None:
    """It is the unit in whose cgroup the sockets were made."""
    config = folder / "config.yaml"
    config.write_text("memory: {when: always}\n")
    with made_cgroup("shop.service") as cgroup:
        command = [*namespace.command(), *enter(cgroup), sys.executable, "-c", FILL]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            prefix = [*namespace.command(), *unprivileged]
            run = run_once("--once", f"--config.file={config}", prefix=prefix)
            process.communicate()
    assert run.returncode == 0, run.stderr
    found = {
        (dict(labels)["owner"], dict(labels)["direction"], dict(labels)["port"]): value
        for (name, labels), value in parse_page(run.stdout).items()
        if name == "netstat_owner_socket_memory_bytes"
    }
    assert found["shop.service", "inbound", str(REDIS)] > SENT
    assert {"shop.service"} == {owner for owner, _, _ in found}


def test_nothing_is_asked_while_there_is_enough(namespace: Namespace) -> None:
    """A network namespace does not show the marks, so that it is not known when there is not."""
    with ExitStack() as stack, inside(namespace.path):
        fill(stack, socket.AF_INET, REDIS)
        assert held(make_sampler(Settings(cpu_budget=inf)).take_snapshot()) == {}
