"""The shipped example for Alertmanager silences what follows from a worse alert, and only that."""

import subprocess
from collections.abc import Iterator

import pytest
import yaml

from tests.support import requirements
from tests.support.alertmanager import Alertmanager, running_alertmanager
from tests.support.daemon import ROOT
from tests.support.patience import wait_until

EXAMPLE = ROOT / "prometheus" / "alertmanager.example.yml"
RULES = yaml.safe_load((ROOT / "prometheus" / "alerts.yml").read_text())
NAMES = {rule["alert"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}

LEAK, GROWING = "NetstatCloseWaitLeak", "NetstatCloseWaitGrowing"
PORTS, FILLING_UP, BOUND = (
    "NetstatEphemeralPortsRunningOut",
    "NetstatEphemeralPortsFillingUp",
    "NetstatBoundPortsRunningOut",
)
QUEUE, OVERFLOW, HANDSHAKES = (
    "NetstatAcceptQueueFilling",
    "NetstatAcceptQueueOverflow",
    "NetstatSynRecvPileUp",
)
TARGET = {"job": "netstat", "instance": "web1:9068", "cluster": "prod"}
API = {"protocol": "tcp", "port": "8080", "direction": "inbound"}
DATABASE = {"protocol": "tcp", "port": "5432"}


def alert(name: str, severity: str = "warning", **labels: str) -> dict[str, str]:
    return {"alertname": name, "severity": severity} | TARGET | labels


FIRING = [
    alert(LEAK, "critical", **API),
    alert(PORTS, **DATABASE),
    alert(QUEUE, "critical", protocol="tcp", port="443"),
    alert("NetstatTimeWaitOverflow"),
    alert("NetstatSnapshotStale"),
    alert("NetstatOpenFilesRunningOut", owner="api.service"),
    alert("NetstatPeersVanished", **DATABASE, direction="outbound"),
]
SILENCED = [
    alert(LEAK, **API),
    alert(GROWING, **API),
    alert(FILLING_UP, **DATABASE),
    alert(BOUND, protocol="tcp"),
    alert(OVERFLOW),
    alert(HANDSHAKES, protocol="tcp", port="443"),
    alert("NetstatTimeWaitTableFilling"),
    alert("NetstatOpenFilesFillingUp", owner="api.service"),
    alert("NetstatConnectsUnanswered", **DATABASE, direction="outbound"),
    alert("NetstatCollectorFailing", collector="owners"),
]
HEARD = [
    *FIRING,
    alert("NetstatOpenFilesFillingUp", owner="shop.service"),
    alert(LEAK, **API | {"port": "9090"}),
    alert(LEAK, **API | {"direction": "outbound"}),
    alert(LEAK, **API | {"cluster": "test"}),
    alert(LEAK, **API | {"instance": "web2:9068"}),
    alert(GROWING, **API | {"port": "9090", "region": "eu"}),
    alert(FILLING_UP, **DATABASE | {"port": "6379"}),
    alert(BOUND, "critical", protocol="tcp"),
    alert(BOUND, protocol="udp"),
    alert(OVERFLOW, cluster="test"),
    alert(HANDSHAKES, protocol="tcp", port="80"),
    alert("NetstatUdpDrops", protocol="udp", port="514"),
    alert("NetstatExporterDown", instance="web3:9068"),
]


def name_of(labels: dict[str, str]) -> str:
    return "-".join(labels.values())


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    """Let them all fire, with the example as it is shipped."""
    folder = tmp_path_factory.mktemp("alertmanager")
    with running_alertmanager(folder, EXAMPLE.read_text()) as running:
        for labels in HEARD + SILENCED:
            running.add(labels)
        wait_until(lambda: len(running.all_alerts()) == len(HEARD + SILENCED))
        yield running


def inhibited(alertmanager: Alertmanager, labels: dict[str, str]) -> bool:
    (found,) = (one for one in alertmanager.alerts(labels["alertname"]) if one.labels == labels)
    return found.inhibited


def test_amtool_accepts_the_example() -> None:
    amtool = requirements.require_command("amtool", "prometheus-alertmanager")
    run = subprocess.run([amtool, "check-config", EXAMPLE], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "pager"), ("warning", "tickets")])
def test_severity_decides_who_is_told(severity: str, receiver: str) -> None:
    amtool = requirements.require_command("amtool", "prometheus-alertmanager")
    route = [amtool, "config", "routes", "test", f"--config.file={EXAMPLE}", f"severity={severity}"]
    run = subprocess.run(route, capture_output=True, text=True, check=True)
    assert receiver == run.stdout.strip()


def test_example_names_alerts_that_exist() -> None:
    rules = yaml.safe_load(EXAMPLE.read_text())["inhibit_rules"]
    matchers = [one for rule in rules for one in rule["source_matchers"] + rule["target_matchers"]]
    named = {
        name
        for matcher in matchers
        if matcher.startswith("alertname") and ".+" not in matcher
        for name in matcher.partition('"')[2].rstrip('"').split("|")
    }
    assert named <= NAMES


@pytest.mark.parametrize("labels", SILENCED, ids=name_of)
def test_what_follows_from_a_worse_alert_is_silenced(
    alertmanager: Alertmanager, labels: dict[str, str]
) -> None:
    wait_until(lambda: inhibited(alertmanager, labels))


@pytest.mark.parametrize("labels", HEARD, ids=name_of)
def test_what_is_worse_or_elsewhere_is_heard(alertmanager: Alertmanager, labels: dict[str, str]) -> None:
    wait_until(lambda: all(inhibited(alertmanager, follower) for follower in SILENCED))
    assert not inhibited(alertmanager, labels)
