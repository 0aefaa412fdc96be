"""``netstat-exporter show`` says of a real leak what ss says, from the daemon or by a pass of its own."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import ALONE, COMMAND, PATIENCE_SECONDS, ROOT, running_daemon
from tests.support.live.cgroup import enter, made_cgroup
from tests.support.live.leaker import LOOPBACK, leaking
from tests.support.live.namespace import Namespace
from tests.support.live.ss import listed_by_ss
from tests.support.patience import wait_until
from tests.support.terminal import run_on_terminal

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("leak", "ss")]

LEAKS = 7
SERVICE = r"leaky\x2dshop.service"
NO_DAEMON = "http://localhost:9068: Connection refused"


@pytest.fixture
def leak(namespace: Namespace) -> Iterator[None]:
    """Leak to a printer, in a cgroup of a service."""
    with made_cgroup(SERVICE) as cgroup, leaking([*namespace.command(), *enter(cgroup)]) as leaker:
        for port in range(LEAKS):
            leaker.tell(f"leak {40000 + port}")
        leaker.tell("finish 40100")
        yield


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Make a configuration with which nothing of other tests is counted."""
    file = tmp_path / "config.yaml"
    file.write_text(f"interval: 100ms\ncpu_budget: 1\n{ALONE}")
    return file


def show(namespace: Namespace, *flags: str) -> "subprocess.CompletedProcess[str]":
    """Run it in a network namespace to its end."""
    return subprocess.run(
        namespace.command(*COMMAND, "show", *flags),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def counted_by_ss(namespace: Namespace) -> Counter[str]:
    """Return the sockets of TCP over IPv4 by state."""
    return Counter(each.state for each in listed_by_ss(namespace, "--tcp", "tcp", "-4"))


def counted(text: str) -> Counter[str]:
    """Return the same of what was printed as JSON."""
    found = Counter[str]()
    for service in json.loads(text)["services"]:
        if service["protocol"] == "tcp" and service["port"] != "9068":
            found.update({state: number for state, number in service["states"].items() if number})
    return found


def test_it_shows_what_the_daemon_counts_and_ss_confirms(namespace: Namespace, config: Path) -> None:
    with running_daemon(
        f"--config.file={config}",
        f"--web.listen-address={LOOPBACK}:9068",
        prefix=namespace.command(),
        ready=False,
    ):
        wait_until(lambda: show(namespace).returncode == 0)
        run = show(namespace, "--json", "--port=631")
        text = show(namespace).stdout
    assert counted(run.stdout)["close_wait"] == counted_by_ss(namespace)["close_wait"] == LEAKS
    (leak,) = json.loads(run.stdout)["leaks"]
    assert (leak["direction"], leak["port"], leak["sockets"]) == ("outbound", "631", LEAKS)
    (row,) = [line for line in text.splitlines() if line.startswith("leaky-shop.service ")]
    assert row.split()[1:5] == ["out", "631", "(ipp)", str(LEAKS)]
    assert " ago, every " in text.splitlines()[0]


def test_without_a_daemon_it_counts_itself_and_says_so(namespace: Namespace, config: Path) -> None:
    expected = counted_by_ss(namespace)
    run = show(namespace, "--json", f"--config.file={config}")
    assert counted(run.stdout) == expected
    assert expected["close_wait"] == LEAKS
    assert run.stderr == f"netstat-exporter: counted by this command, as no daemon answers ({NO_DAEMON})\n"
    run = show(namespace, f"--config.file={config}")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines()[0].endswith(f"counted by this command, as no daemon answers ({NO_DAEMON})")
    (row,) = [line for line in run.stdout.splitlines() if line.startswith("leaky-shop.service ")]
    assert row.split()[1:5] == ["out", "631", "(ipp)", str(LEAKS)]
    assert "Oldest" not in run.stdout  # one pass knows no age


def test_a_wrong_configuration_or_procfs_ends_it_with_2(namespace: Namespace, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("interval: 0\n")
    run = show(namespace, f"--config.file={tmp_path / 'wrong.yaml'}")
    assert (run.returncode, run.stdout) == (2, "")
    assert f"{tmp_path / 'wrong.yaml'}:1:11: interval: " in run.stderr
    run = show(namespace, f"--path.procfs={tmp_path}")
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("netstat-exporter: --path.procfs: ")


def test_root_sees_where_a_leak_leads_to_on_a_terminal_of_40_columns(
    namespace: Namespace, config: Path
) -> None:
    command = namespace.command(*COMMAND, "show", "--peers", f"--config.file={config}")
    with run_on_terminal(command, 40, {"NO_COLOR": "1"}) as terminal:
        lines = terminal.read_rest().splitlines()
    assert max(map(len, lines)) <= 40
    below = lines[lines.index("Where do the leaks lead to?") + 1 :]
    assert below[0].split() == ["Dir", "Port", "Address", "CloseWait"]
    assert below[1].split() == ["out", "631", "(ipp)", LOOPBACK, str(LEAKS)]


def test_watching_without_a_daemon_takes_a_pass_each_time(namespace: Namespace, config: Path) -> None:
    """From the second one on ages are known."""
    command = namespace.command(*COMMAND, "show", "--watch=0.5", f"--config.file={config}")
    with run_on_terminal(command, 120, {"NO_COLOR": "1"}) as terminal:
        terminal.read_until("leaky-shop.service")
        terminal.read_until("Oldest")
