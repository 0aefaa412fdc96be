"""The daemon starts, reloads, fails and stops as its operator expects."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.status.encoding import decode_status
from tests.support.daemon import COMMAND, PATIENCE_SECONDS, ROOT, Daemon, parse_page, run_once, running_daemon
from tests.support.patience import wait_until

PASSES = ("netstat_exporter_passes_total", frozenset({("result", "success")}))
RELOADED = ("netstat_exporter_config_last_reload_successful", frozenset[tuple[str, str]]())
RELOADED_AT = ("netstat_exporter_config_last_reload_success_timestamp_seconds", frozenset[tuple[str, str]]())


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Make a configuration file with short passes."""
    file = tmp_path / "config.yaml"
    file.write_text("interval: 100ms\ncpu_budget: 1\nports: {names: {9: first}, always: [9]}\n")
    return file


@pytest.fixture
def daemon(config: Path) -> Iterator[Daemon]:
    """Run a daemon on that file."""
    with running_daemon(f"--config.file={config}", "--web.enable-lifecycle") as running:
        yield running


def port_names(daemon: Daemon) -> set[str]:
    """Return the names that port 9 has on the page."""
    return {
        labels["port_name"]
        for (name, pairs) in daemon.samples()
        if name == "netstat_sockets" and (labels := dict(pairs))["port"] == "9"
    }


def test_the_first_line_of_the_log_says_what_runs(config: Path) -> None:
    command = [*COMMAND, "--web.listen-address=127.0.0.1:0", f"--config.file={config}"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = (line for line in process.stderr if "level=info" in line)
        started = next(lines)
        process.terminate()
    assert re.search(r"msg=started version=\S+ addresses=.*127\.0\.0\.1:\d+", started)
    assert f"config_file={config}" in started


def test_reload_takes_a_good_file_and_keeps_the_old_one_for_a_bad_one(daemon: Daemon, config: Path) -> None:
    """No label of the old one lingers; a gauge tells of the bad one, and the good one's time stays."""
    assert port_names(daemon) == {"first"}
    config.write_text("interval: 100ms\ncpu_budget: 1\nports: {names: {9: second}, always: [9]}\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for("configuration reloaded")
    wait_until(lambda: port_names(daemon) == {"second"})
    good_at = daemon.samples()[RELOADED_AT]

    config.write_text("interval: 100ms\nports: {names: {9: third}, always: [0]}\n")
    daemon.process.send_signal(signal.SIGHUP)
    event = daemon.wait_for("configuration is wrong, keeping the old one")
    assert event["problem"] == f"{config}:2:37: ports.always: '0' is not a number from 1 to 65535"
    wait_until(lambda: daemon.samples()[RELOADED] == 0)
    assert daemon.samples()[RELOADED_AT] == good_at
    assert port_names(daemon) == {"second"}
    answer = daemon.ask("/-/reload", "POST")
    assert (answer.status, answer.body.decode()) == (500, f"{event['problem']}\n")

    config.write_text("interval: 100ms\ncpu_budget: 1\nports: {names: {9: fourth}, always: [9]}\n")
    assert daemon.ask("/-/reload", "PUT").status == 200
    wait_until(lambda: port_names(daemon) == {"fourth"})
    wait_until(lambda: daemon.samples()[RELOADED] == 1)
    assert daemon.samples()[RELOADED_AT] > good_at


def test_the_status_says_how_the_last_reading_of_the_file_went(daemon: Daemon, config: Path) -> None:
    assert f"From {config}." in daemon.ask("/").body.decode()
    config.write_text("interval: never\n")
    assert daemon.ask("/-/reload", "POST").status == 500
    wait_until(lambda: f"{config} was wrong at the last reload" in daemon.ask("/").body.decode())
    status = decode_status(daemon.ask("/api/v1/status").body)
    assert not status.exporter.is_reloaded
    assert "NetstatConfigReloadFailed" in {problem.alert for problem in status.problems}


def test_a_storm_of_signals_collapses(daemon: Daemon) -> None:
    """A hundred SIGHUP are answered, by fewer readings, and the daemon goes on."""
    for _ in range(100):
        daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for("configuration reloaded")
    assert daemon.ask().status == 200
    code, log = daemon.stop()
    assert code == 0
    assert log.count("configuration reloaded") < 50


def test_signals_are_heeded_from_the_first_line_on(config: Path) -> None:
    """No matter how soon after it they come."""
    for _ in range(5):
        with running_daemon(f"--config.file={config}", ready=False) as daemon:
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_for("configuration reloaded")
            code, _ = daemon.stop()
            assert code == 0


def test_reloads_do_not_overdraw_the_cpu_budget(tmp_path: Path) -> None:
    """New settings wait for the pause that the last pass has to have after it."""
    config = tmp_path / "config.yaml"
    config.write_text("cpu_budget: 0.001\n")
    with running_daemon(f"--config.file={config}", "--web.enable-lifecycle") as daemon:
        for _ in range(20):
            assert daemon.ask("/-/reload", "POST").status == 200
        assert daemon.samples()[PASSES] <= 2


def test_a_page_that_cannot_be_written_is_told_in_a_line() -> None:
    with open("/dev/full", "wb") as full:
        run = subprocess.run(
            [*COMMAND, "--once"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert run.returncode == 1
    assert "netstat-exporter: standard output: No space left on device" in run.stderr.splitlines()


def test_passes_repeat(daemon: Daemon) -> None:
    before = daemon.samples()[PASSES]
    wait_until(lambda: daemon.samples()[PASSES] > before + 2)


def test_scrapes_start_no_pass(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("interval: 1h\n")
    with running_daemon(f"--config.file={config}") as daemon:
        for _ in range(20):
            assert daemon.ask().status == 200
        assert daemon.samples()[PASSES] == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0(daemon: Daemon, number: signal.Signals) -> None:
    code, log = daemon.stop(number)
    assert code == 0
    assert '"msg": "stopped"' in log
    assert "Traceback" not in log


def test_a_reload_is_not_offered_unless_asked_for() -> None:
    with running_daemon() as daemon:
        assert daemon.ask("/-/reload", "POST").status == 403


def test_a_wrong_configuration_ends_it_with_2(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("interval: 5\ntablez: []\n")
    allowed = "from 100ms to 24h, such as 5s, 500ms or 1m30s"
    for more in ((), ("--config.check",), ("--once",)):
        run = run_once(f"--config.file={wrong}", *more)
        assert run.returncode == 2
        assert run.stderr.splitlines() == [
            f"{wrong}:1:11: interval: '5' is not a duration {allowed}",
            f"{wrong}:2:1: tablez: unknown key; did you mean tables?",
        ]


def test_a_good_configuration_is_checked_without_starting(config: Path) -> None:
    run = run_once("--config.check", f"--config.file={config}")
    assert (run.returncode, run.stdout, run.stderr) == (0, f"{config}: ok\n", "")
    for flags in (("--config.check",), ("--config.check", "--config.file=")):
        assert run_once(*flags).returncode == 2


@pytest.mark.parametrize("root", ["/nowhere", "/etc/hostname", "/etc"])
def test_a_wrong_procfs_ends_it_with_2(root: str) -> None:
    run = run_once(f"--path.procfs={root}")
    assert run.returncode == 2
    assert run.stderr.startswith(f"netstat-exporter: --path.procfs: {root}: not a procfs")
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "flag",
    [
        "--web.max-requests=0",
        "--web.telemetry-path=metrics",
        "--web.telemetry-path=/-/metrics",
        "--log.level=loud",
        "--no",
    ],
)
def test_a_wrong_flag_ends_it_with_2(flag: str) -> None:
    run = run_once(flag)
    assert run.returncode == 2
    assert flag.partition("=")[0] in run.stderr


def test_once_prints_one_pass_without_metrics_of_the_process() -> None:
    """node_exporter, whose textfile collector reads this, has process_* of its own."""
    run = run_once("--once")
    assert run.returncode == 0
    names = {name for name, _ in parse_page(run.stdout)}
    assert "netstat_sockets" in names
    assert all(name.startswith("netstat_") for name in names)


def test_it_needs_no_home_no_writable_disk_and_no_standard_streams() -> None:
    """Nothing but reading and the network: not even a log that can be written."""
    command = [*COMMAND, "--web.listen-address=127.0.0.1:0"]
    with open("/dev/full", "wb") as full:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={"LANG": "C", "PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=full,
        )
    try:
        wait_until(lambda: listening_ports(process.pid) != set())
        (port,) = listening_ports(process.pid)
        assert Daemon(process, port).ask().status == 200  # type: ignore[arg-type]
    finally:
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0


def listening_ports(pid: int) -> set[int]:
    """Return the TCP ports on which a process listens, as psutil sees them."""
    import psutil  # noqa: PLC0415

    return {
        connection.laddr.port
        for connection in psutil.Process(pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
