"""Installed as the README says, the exporter is a good service of a real systemd."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from subprocess import CalledProcessError

import pytest

from tests.support.certificates import make_certificates
from tests.support.daemon import ALONE, ROOT, Labels, parse_page
from tests.support.live.machine import Machine, MachineError, gather_wheels, require_machine, running_machine
from tests.support.live.made import Made
from tests.support.live.sockets import held_sockets
from tests.support.patience import wait_until
from tests.support.readme import readme_commands
from tests.support.requirements import require

pytestmark = [pytest.mark.live, pytest.mark.long]

UNIT = "netstat-exporter.service"
DROP_IN = f"/etc/systemd/system/{UNIT}.d/test.conf"
CONFIG = "/etc/netstat-exporter/config.yaml"
QUICK = "interval: 100ms\ncpu_budget: 1\ntimeout: 200ms\n"
PORT = "9068"
FETCH = f"import urllib.request as u; print(u.urlopen('http://localhost:{PORT}/metrics').read().decode())"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Boot a machine and install the exporter there, in the README's own words."""
    require_machine()
    wheels = tmp_path_factory.mktemp("wheels")
    try:
        gather_wheels(wheels)
    except MachineError as error:
        require(str(error), "let this machine reach the index of packages", met=False)
    with running_machine(wheels, tmp_path_factory.mktemp("machine") / "id") as booted:
        for words in readme_commands("From a clone"):
            booted.run(*words)
        yield booted


@pytest.fixture
def service(machine: Machine) -> Iterator[Machine]:
    """Give the test quick passes and a unit that it may change."""
    before = {name: machine.path(name).read_text() for name in (CONFIG, "/etc/default/netstat-exporter")}
    machine.path(CONFIG).write_text(QUICK)
    machine.run("systemctl", "restart", UNIT)
    yield machine
    for name, text in before.items():
        machine.path(name).write_text(text)
    machine.path(DROP_IN).unlink(missing_ok=True)
    machine.run("systemctl", "daemon-reload")


def change_unit(machine: Machine, text: str) -> None:
    """Restart the service with something else in its unit; raises CalledProcessError."""
    machine.path(DROP_IN).parent.mkdir(exist_ok=True)
    machine.path(DROP_IN).write_text(f"[Service]\n{text}\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", UNIT)


def show(machine: Machine, name: str) -> str:
    """Return a property of the service."""
    return machine.run("systemctl", "show", "--value", f"--property={name}", UNIT).strip()


def scrape(machine: Machine) -> dict[tuple[str, Labels], float]:
    """Return the samples of the exporter's page, as a client on the machine gets it."""
    return parse_page(machine.network.run(sys.executable, "-c", FETCH))


def sample(machine: Machine, metric: str, **labels: str) -> float:
    """Return one sample of the page, 0 where there is none."""
    return scrape(machine).get((metric, frozenset(labels.items())), 0)


def counted_sockets(machine: Machine) -> Counter[tuple[str, ...]]:
    """Return how many sockets the page has, by labels, but for those of the scrapes."""
    found = Counter[tuple[str, ...]]()
    for (name, pairs), value in scrape(machine).items():
        labels = dict(pairs)
        if name == "netstat_sockets" and value and labels["port"] != PORT:
            found[labels["family"], labels["state"], labels["direction"], labels["port"]] += int(value)
    return found


def labels_of(one: Made) -> tuple[str, ...]:
    """Return the labels that a TCP socket has to have."""
    port = one.local_port if one.direction == "inbound" else one.remote_port
    return ("ipv6" if one.table == "tcp6" else "ipv4", one.state, one.direction, str(port))


def test_the_readme_leads_to_a_service_that_is_enabled_and_says_how_it_fares(machine: Machine) -> None:
    """It logs two lines, and nothing to worry about: the first says what runs."""
    assert machine.run("systemctl", "is-enabled", UNIT) == "enabled\n"
    assert show(machine, "StatusText").startswith("Sockets: ")
    assert ("netstat_exporter_passes_total", frozenset({("result", "success")})) in scrape(machine)
    machine.run("journalctl", "--sync")
    lines = machine.run("journalctl", "--output=cat", f"_PID={show(machine, 'MainPID')}").splitlines()
    assert all(" level=info " in line for line in lines)
    assert "msg=started" in lines[0]


def test_sockets_are_counted_over_netlink_under_all_of_the_hardening(service: Machine) -> None:
    service.path(CONFIG).write_text(f"{QUICK}source: netlink\n")
    service.run("systemctl", "restart", UNIT)
    with open(service.path(f"/proc/{show(service, 'MainPID')}/status")) as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file)
    assert (status["CapBnd"], status["NoNewPrivs"], status["Seccomp"]) == ("0" * 16, "1", "2")
    assert status["Uid"].split()[0] != "0"
    with held_sockets("close-wait", service.network) as made:
        expected = Counter(labels_of(one) for one in made for _ in range(one.sockets))
        wait_until(lambda: counted_sockets(service) == expected)
    info = "netstat_exporter_table_source_info"
    assert {dict(labels)["source"] for name, labels in scrape(service) if name == info} == {"netlink"}


def test_a_reload_takes_a_good_file_and_tells_of_a_bad_one(service: Machine) -> None:
    running = show(service, "MainPID")
    successful = "netstat_exporter_config_last_reload_successful"
    for text, success in ((f"{QUICK}tables: [udp]\n", 1), ("tables: udp\n", 0), (QUICK, 1)):
        service.path(CONFIG).write_text(text)
        service.run("systemctl", "reload", UNIT)
        wait_until(lambda: sample(service, successful) == success)  # noqa: B023 - it is called at once
        wait_until(lambda: ("the old one is in force" in show(service, "StatusText")) != success)  # noqa: B023
    assert (show(service, "ActiveState"), show(service, "MainPID")) == ("active", running)


def test_the_watchdog_ends_a_daemon_that_hangs(service: Machine) -> None:
    """After the longest time that a pass may take, in which every read would hang."""
    service.path(CONFIG).write_text(QUICK + ALONE)
    # A process that is stopped does not end by SIGABRT. One that starts slowly may be ended again.
    change_unit(service, "WatchdogSec=3s\nTimeoutAbortSec=1s")
    hung = show(service, "MainPID")
    service.run("kill", "-STOP", hung)
    wait_until(lambda: show(service, "NRestarts") != "0" and show(service, "SubState") == "running", 90, 0.5)
    assert show(service, "MainPID") != hung
    wait_until(lambda: sample(service, "netstat_exporter_passes_total", result="success") > 0)


def test_the_watchdog_waits_out_a_pause_that_is_longer_than_its_patience(service: Machine) -> None:
    service.path(CONFIG).write_text(QUICK.replace("100ms", "2s"))
    change_unit(service, "WatchdogSec=500ms")
    wait_until(lambda: sample(service, "netstat_exporter_passes_total", result="success") >= 3)
    assert show(service, "NRestarts") == "0"


def test_systemd_listens_and_a_scrape_starts_the_daemon(service: Machine) -> None:
    """No scrape is lost while it restarts."""
    socket_unit = UNIT.replace(".service", ".socket")
    service.path("/etc/default/netstat-exporter").write_text('ARGS="--web.systemd-socket"\n')
    service.run("systemctl", "stop", UNIT)
    service.run("systemctl", "start", socket_unit)
    try:
        assert show(service, "ActiveState") == "inactive"
        assert scrape(service)
        wait_until(lambda: show(service, "ActiveState") == "active")
        service.run("systemctl", "restart", "--no-block", UNIT)
        assert scrape(service)
    finally:
        service.run("systemctl", "stop", socket_unit, UNIT)


def test_a_start_does_not_hang_on_an_address_that_comes_later(service: Machine) -> None:
    """The status says what is waited for; other addresses are served meanwhile."""
    service.path("/etc/default/netstat-exporter").write_text(
        f'ARGS="--web.listen-address=192.0.2.1:{PORT} --web.listen-address=127.0.0.1:{PORT}"\n'
    )
    service.run("systemctl", "restart", UNIT)
    assert show(service, "ActiveState") == "active"
    wait_until(lambda: "Waiting for 192.0.2.1:9068: Cannot assign" in show(service, "StatusText"))
    assert scrape(service)
    service.network.run("ip", "address", "add", "192.0.2.1/32", "dev", "lo")
    fetch = FETCH.replace("localhost", "192.0.2.1")
    wait_until(lambda: is_answered(service, fetch))
    wait_until(lambda: "Waiting" not in show(service, "StatusText"))
    assert show(service, "NRestarts") == "0"
    service.network.run("ip", "address", "delete", "192.0.2.1/32", "dev", "lo")


def is_answered(machine: Machine, fetch: str) -> bool:
    """Tell whether a scrape gets a page."""
    try:
        return bool(machine.network.run(sys.executable, "-c", fetch))
    except CalledProcessError:
        return False


def test_it_is_started_again_however_often_it_fails(service: Machine) -> None:
    """More often, and faster, than systemd's own limit allows."""
    change_unit(service, "RestartSec=0")
    for number in range(8):
        running = show(service, "MainPID")
        service.run("kill", "-KILL", running)
        wait_until(lambda: show(service, "MainPID") not in {running, "0"})  # noqa: B023 - it is called at once
        assert show(service, "NRestarts") == str(number + 1)
    wait_until(lambda: is_answered(service, FETCH))


def test_a_signal_at_any_moment_of_the_start_is_no_failure(service: Machine) -> None:
    for _ in range(5):
        service.run("systemctl", "restart", "--no-block", UNIT)
        service.run("systemctl", "stop", UNIT)
        assert show(service, "Result") == "success"
    service.run("systemctl", "start", UNIT)


def test_the_journal_knows_how_grave_a_line_is(service: Machine) -> None:
    service.path(CONFIG).write_text("tables: udp\n")
    service.run("systemctl", "reload", UNIT)
    pid = show(service, "MainPID")
    wait_until(lambda: "keeping the old one" in errors_of(service, pid))
    assert "msg=started" not in errors_of(service, pid)


def errors_of(machine: Machine, pid: str) -> str:
    """Return the lines of a process that the journal takes for errors."""
    machine.run("journalctl", "--sync")
    return machine.run("journalctl", "--output=cat", "--priority=err", f"_PID={pid}")


def test_a_key_that_only_root_may_read_is_handed_over(service: Machine, tmp_path: Path) -> None:
    """By the drop-in of the documentation, as it stands."""
    certificate, key = make_certificates(tmp_path).issue("web", "localhost")
    folder = service.path("/etc/netstat-exporter")
    for name, text in (("web.pem", certificate.read_text()), ("web.key", key.read_text())):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    (folder / "web.yaml").write_text("tls_server_config: {cert_file: web.pem, key_file: web.key}\n")
    text = (ROOT / "docs" / "web-configuration.md").read_text()
    change_unit(service, text.partition("```ini\n[Service]\n")[2].partition("```")[0])
    fetch = (
        "import ssl, urllib.request as u; context = ssl._create_unverified_context(); "
        f"print(u.urlopen('https://localhost:{PORT}/metrics', context=context).read().decode())"
    )
    wait_until(lambda: is_answered(service, fetch))


def test_it_keeps_within_its_memory_and_tasks(service: Machine) -> None:
    """With room to spare, as the unit says."""
    service.network.run(sys.executable, "-c", f"{FETCH}\n" * 50)
    with open(service.path(f"/proc/{show(service, 'MainPID')}/status")) as file:
        status = dict(line.split(":", 1) for line in file)
    assert int(status["Threads"]) <= int(show(service, "TasksMax")) / 8
    assert int(status["VmRSS"].split()[0]) << 10 <= 40 << 20 <= int(show(service, "MemoryMax")) / 4


def test_only_a_drop_in_opens_the_processes_of_others(service: Machine) -> None:
    look = "ExecStartPost=/bin/ls /proc/1/fd"
    with pytest.raises(CalledProcessError):
        change_unit(service, look)
    granted = (ROOT / "systemd" / "process-attribution.conf").read_text()
    change_unit(service, f"{look}\n{granted}")


def test_it_is_uninstalled_but_for_its_configuration(machine: Machine) -> None:
    machine.run("systemctl", "disable", "--now", UNIT)
    machine.run("make", "uninstall")
    assert not machine.path("/opt/netstat-exporter").exists()
    assert not list(machine.path("/etc/systemd/system").glob("netstat-exporter.*t*"))
    assert not list(machine.path("/usr/local").rglob("*netstat-exporter*"))
    assert machine.path(CONFIG).exists()
