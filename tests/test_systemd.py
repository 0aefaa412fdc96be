"""The units are those that systemd understands, and lock the exporter in."""

import configparser
import shlex
import subprocess
import sys
from pathlib import Path

from exporter.flags import parse_flags
from exporter.serving.admission import MAX_CONNECTIONS
from tests.support.daemon import ROOT
from tests.support.requirements import require_command

UNITS = ROOT / "systemd"
MOST_EXPOSURE = 15  # tenths
PRIVILEGES = {"CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"}


def read_unit(name: str) -> configparser.RawConfigParser:
    """Return a unit's settings, of which the last of a name counts."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names are told apart by case
    unit.read(UNITS / name)
    return unit


def analyze(*words: str) -> str:
    """Return what systemd-analyze prints; it has to be content."""
    command = require_command("systemd-analyze", "systemd")
    run = subprocess.run(
        [command, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert run.returncode == 0, run.stdout
    return run.stdout


def test_units_have_nothing_that_systemd_does_not_know(tmp_path: Path) -> None:
    """Of the paths, those that an installation makes are replaced."""
    names = ("netstat-exporter.service", "netstat-exporter.socket")
    for name in names:
        text = (UNITS / name).read_text()
        (tmp_path / name).write_text(
            text.replace("/opt/netstat-exporter/bin/netstat-exporter", sys.executable)
        )
    assert analyze("verify", "--man=no", *(str(tmp_path / name) for name in names)) == ""


def test_the_service_is_hardly_exposed() -> None:
    unit = str(UNITS / "netstat-exporter.service")
    analyze("security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSURE}", unit)


def test_the_service_sees_the_sockets_of_the_host() -> None:
    """Whatever hides them would be hardening that leaves nothing to count."""
    settings = read_unit("netstat-exporter.service")["Service"]
    assert "AF_NETLINK" in settings["RestrictAddressFamilies"].split()
    assert not {"PrivateNetwork", "NetworkNamespacePath", "ProcSubset"} & set(settings)
    assert settings["ProtectProc"] == "default"  # or those of containers are hidden


def test_what_it_takes_of_the_host_is_bounded_and_it_is_always_started_again() -> None:
    unit = read_unit("netstat-exporter.service")
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Service"]["RestartSec"] == "2s"
    assert {"MemoryMax", "TasksMax"} <= set(unit["Service"])
    assert int(unit["Service"]["LimitNOFILE"]) >= 2 * MAX_CONNECTIONS


def test_the_examples_of_who_may_reach_it_are_settings_that_systemd_knows(tmp_path: Path) -> None:
    """They stand in comments, to be put into a drop-in."""
    text = (UNITS / "netstat-exporter.service").read_text()
    assert text.count("\n#IPAddress") == text.count("\n#SocketBind") == 2
    text = text.replace("\n#IPAddress", "\nIPAddress").replace("\n#SocketBind", "\nSocketBind")
    file = tmp_path / "netstat-exporter.service"
    file.write_text(text.replace("/opt/netstat-exporter/bin/netstat-exporter", sys.executable))
    assert analyze("verify", "--man=no", str(file)) == ""


def test_privileges_are_those_of_the_drop_in_alone() -> None:
    granted = read_unit("process-attribution.conf")["Service"]
    assert set(granted["CapabilityBoundingSet"].split()) == PRIVILEGES
    assert set(granted["AmbientCapabilities"].split()) == PRIVILEGES
    assert read_unit("netstat-exporter.service")["Service"]["CapabilityBoundingSet"] == ""


def test_the_flags_that_are_installed_are_flags() -> None:
    """Those in comments, too, of which each is offered in place of the first."""
    lines = (UNITS / "netstat-exporter.default").read_text().splitlines()
    offered = [line.removeprefix("#") for line in lines if line.removeprefix("#").startswith("ARGS=")]
    parsed = [parse_flags(shlex.split(shlex.split(line)[0].removeprefix("ARGS="))) for line in offered]
    assert len(parsed) == 3
    assert {flags.config_file for flags in parsed} == {"/etc/netstat-exporter/config.yaml"}
    assert parsed[-1].web_systemd_socket
