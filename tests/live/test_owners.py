"""The owner of a real leak is named, by its cgroup to anybody, and by its process to who has the right."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.daemon import parse_page, run_once
from tests.support.live.cgroup import enter, find_root, made_cgroup
from tests.support.live.leaker import LOOPBACK, leaking
from tests.support.live.namespace import Namespace, inside
from tests.support.live.scenarios import IPP

pytestmark = pytest.mark.live

WITHOUT_NETLINK = [sys.executable, "-m", "tests.support.without_netlink"]
SERVICE = r"leaky\x2dshop.service"
LEAKS = 3
HANG_UP = f"""
import socket
listener = socket.create_server(("{LOOPBACK}", {IPP}), reuse_port=True)
print(flush=True)
while True:
    listener.accept()[0].close()
"""

ALONE = "namespaces: {enabled: false}\n"  # those of other tests are none of its business


@pytest.fixture
def leaky_service(namespace: Namespace) -> Iterator[None]:
    """Leak in a cgroup of a service."""
    with made_cgroup(SERVICE) as cgroup, leaking([*namespace.command(), *enter(cgroup)]) as leaker:
        for port in range(LEAKS):
            leaker.tell(f"leak {40000 + port}")
        yield


@pytest.fixture
def leaky_program(namespace: Namespace) -> Iterator[None]:
    """Leak in the root of the tree of cgroups, as root."""
    with leaking([*namespace.command(), *enter(find_root())]) as leaker:
        for port in range(LEAKS):
            leaker.tell(f"leak {40000 + port}")
        yield


@contextmanager
def hanging_up(namespace: Namespace, cgroup: Path) -> Iterator[None]:
    """Run a program that shares its address and port, and is the first to close what it accepts."""
    command = [*namespace.command(), *enter(cgroup), sys.executable, "-c", HANG_UP]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "\n"
        try:
            yield
        finally:
            process.terminate()


def be_hung_up_on(namespace: Namespace) -> None:
    """Leave TIME_WAIT at the listener's side."""
    with inside(namespace.path):
        for _ in range(LEAKS):
            with socket.create_connection((LOOPBACK, IPP)) as client:
                assert client.recv(1) == b""


def owners(
    namespace: Namespace, folder: Path, way: str, *prefix: str, state: str = "close_wait"
) -> dict[str, float]:
    """Return the sockets of each owner, and how many are not attributed.

    The budget is that of a daemon, whose searches take many passes; the one pass of --once does not keep it.
    """
    config = folder / "config.yaml"
    config.write_text(f"tracked: {{states: [{state}]}}\nowners: {{by: {way}}}\ncpu_budget: 0.00001\n{ALONE}")
    run = run_once("--once", f"--config.file={config}", prefix=[*namespace.command(), *prefix])
    assert run.returncode == 0, run.stderr
    page = parse_page(run.stdout)
    found = {
        dict(labels)["owner"]: value
        for (name, labels), value in page.items()
        if name == "netstat_owner_sockets"
    }
    unattributed = page["netstat_exporter_owner_sockets_unattributed", frozenset()]
    assert found.get("unknown", 0) == unattributed
    return found


@pytest.mark.parametrize("way", ["auto", "unit"])
@pytest.mark.usefixtures("leaky_service")
def test_service_is_named_without_any_privilege(
    namespace: Namespace, folder: Path, unprivileged: list[str], way: str
) -> None:
    assert owners(namespace, folder, way, *unprivileged) == {"leaky-shop.service": LEAKS}


@pytest.mark.usefixtures("leaky_service")
def test_service_of_the_process_is_named_with_rights_only(
    namespace: Namespace, folder: Path, unprivileged: list[str]
) -> None:
    """Where netlink is denied its cgroup is that of the process."""
    assert owners(namespace, folder, "process") == {"leaky-shop.service": LEAKS}
    assert owners(namespace, folder, "auto", *WITHOUT_NETLINK) == {"leaky-shop.service": LEAKS}
    assert owners(namespace, folder, "unit", *WITHOUT_NETLINK) == {"unknown": LEAKS}
    assert owners(namespace, folder, "process", *unprivileged) == {"unknown": LEAKS}


@pytest.mark.usefixtures("leaky_program")
def test_program_is_named_with_rights_only(
    namespace: Namespace, folder: Path, unprivileged: list[str]
) -> None:
    assert owners(namespace, folder, "auto") == {Path(sys.executable).name: LEAKS}
    assert owners(namespace, folder, "auto", *unprivileged) == {"unknown": LEAKS}
    assert owners(namespace, folder, "unit") == {"unknown": LEAKS}


@pytest.mark.parametrize("way", ["unit", "process"])
def test_time_wait_is_that_of_the_listener(namespace: Namespace, folder: Path, way: str) -> None:
    """The kernel has no owner of it; with the listener gone nobody has."""
    with made_cgroup(SERVICE) as cgroup:
        with leaking([*namespace.command(), *enter(cgroup)]) as leaker:
            leaker.tell("finish 40000")
            assert owners(namespace, folder, way, state="time_wait") == {"leaky-shop.service": 1}
        assert owners(namespace, folder, way, state="time_wait") == {"unknown": 1}


@pytest.mark.parametrize("prefix", [[], WITHOUT_NETLINK])
def test_listeners_at_one_port_are_told_by_their_addresses(
    namespace: Namespace, folder: Path, prefix: list[str]
) -> None:
    """One is a service, the other a program without a unit; each has left as many as it has."""
    with (
        made_cgroup(SERVICE) as cgroup,
        leaking([*namespace.command(), *enter(cgroup)]) as service,
        leaking([*namespace.command(), *enter(find_root())], "127.0.0.2") as program,
    ):
        service.tell("finish 40000")
        for port in (40001, 40002):
            program.tell(f"finish {port}")
        expected = {"leaky-shop.service": 1, Path(sys.executable).name: 2}
        assert owners(namespace, folder, "auto", *prefix, state="time_wait") == expected


@pytest.mark.parametrize("prefix", [[], WITHOUT_NETLINK])
def test_time_wait_of_one_of_two_programs_at_an_address_is_unknown(
    namespace: Namespace, folder: Path, prefix: list[str]
) -> None:
    """It was the first's as long as that was alone; both are in the root, which is nobody's cgroup."""
    with hanging_up(namespace, find_root()):
        be_hung_up_on(namespace)
        alone = owners(namespace, folder, "auto", *prefix, state="time_wait")
        assert alone == {Path(sys.executable).name: LEAKS}
        with hanging_up(namespace, find_root()):
            assert owners(namespace, folder, "auto", *prefix, state="time_wait") == {"unknown": LEAKS}


def test_time_wait_of_programs_of_a_unit_at_one_address_is_the_units(
    namespace: Namespace, folder: Path
) -> None:
    """Not with processes alone: whose of theirs it is cannot be told."""
    with (
        made_cgroup(SERVICE) as cgroup,
        hanging_up(namespace, cgroup),
        hanging_up(namespace, cgroup),
    ):
        be_hung_up_on(namespace)
        assert owners(namespace, folder, "auto", state="time_wait") == {"leaky-shop.service": LEAKS}
        assert owners(namespace, folder, "process", state="time_wait") == {"unknown": LEAKS}
