"""Every shipped alert fires on a real Prometheus when what it is about really happens.

All of it happens at once, in a network namespace, and an hour of the alerts is 15 seconds. What no network
namespace has of its own happens in test_host_limits.py.
"""

from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support import requirements
from tests.support.daemon import running_daemon
from tests.support.debian import reserved_port
from tests.support.e2e.host_limits import FIRED_BY_HOST_LIMITS
from tests.support.e2e.hurry import read_alerts, write_hurried_alerts
from tests.support.e2e.sick import frozen_sampling, is_sick_enough, sick_daemon
from tests.support.e2e.troubles import in_trouble
from tests.support.live.namespace import Namespace, inside
from tests.support.patience import wait_until
from tests.support.prometheus import running_prometheus

pytestmark = [pytest.mark.live, pytest.mark.long]

DIVISOR = 240
CONFIG = """
interval: 100ms
cpu_budget: 1
ages: {stuck_after: 250ms}
idle: {after: 500ms, every: 250ms}
namespaces: {enabled: false}
"""
PATIENCE_SECONDS = 120  # 60 are enough, unless scrapes are missed
PAUSE_SECONDS = 0.5

WARNING, CRITICAL = "warning", "critical"
LEAK = {"port": "8080", "direction": "inbound", "state": "close_wait"}
HOARD = {"port": "8443", "direction": "inbound", "state": "close_wait"}
DATABASE = {"port": "5432"}
FIRED_BY_SOCKETS = {
    ("NetstatCloseWaitLeak", WARNING): LEAK,
    ("NetstatCloseWaitLeak", CRITICAL): HOARD,
    ("NetstatCloseWaitGrowing", WARNING): LEAK,
    ("NetstatOpenFilesRunningOut", WARNING): {"owner": "hoarder"},
    ("NetstatOpenFilesFillingUp", WARNING): {"owner": "hoarder"},
    ("NetstatEphemeralPortsRunningOut", WARNING): DATABASE,
    ("NetstatEphemeralPortsRunningOut", CRITICAL): DATABASE,
    ("NetstatEphemeralPortsFillingUp", WARNING): DATABASE,
    ("NetstatBoundPortsRunningOut", WARNING): {"protocol": "udp"},
    ("NetstatBoundPortsRunningOut", CRITICAL): {"protocol": "udp"},
    ("NetstatTimeWaitTableFilling", WARNING): {},
    ("NetstatTimeWaitOverflow", WARNING): {},
    ("NetstatAcceptQueueFilling", WARNING): {"port": "631"},
    ("NetstatAcceptQueueFilling", CRITICAL): {"port": "631"},
    ("NetstatAcceptQueueOverflow", WARNING): {},
    ("NetstatSynRecvPileUp", WARNING): {"port": "443"},
    ("NetstatListenerGone", WARNING): {"port": "3306"},
    ("NetstatNewListener", WARNING): {"protocol": "tcp"},
    ("NetstatUdpDrops", WARNING): {"port": "514"},
    ("NetstatPeersVanished", WARNING): {"port": "389", "direction": "outbound"},
    ("NetstatConnectsUnanswered", WARNING): {"port": "636", "direction": "outbound"},
    ("NetstatIdleConnectionsGrowing", WARNING): {"port": "143", "direction": "inbound"},
}
FIRED_BY_SICK_EXPORTER = {
    ("NetstatTableFailing", WARNING): {"table": "udp6"},
    ("NetstatCollectorFailing", WARNING): {"collector": "owners"},
    ("NetstatSnapshotStale", WARNING): {},
    ("NetstatCountsInexact", WARNING): {"protocol": "tcp"},
    ("NetstatConfigReloadFailed", WARNING): {},
    ("NetstatSocketsUntracked", WARNING): {},
    ("NetstatNamespacesUnread", WARNING): {},
}
FIRED_BY_ABSENT_EXPORTER = {("NetstatExporterDown", WARNING): {"job": "netstat"}}


def test_every_alert_fires(namespace: Namespace, tmp_path: Path) -> None:
    requirements.require_command("prometheus", "prometheus")
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    rules = write_hurried_alerts(tmp_path, DIVISOR)
    with ExitStack() as stack:
        stack.enter_context(inside(namespace.path))
        well = stack.enter_context(running_daemon(f"--config.file={config}"))
        sick = stack.enter_context(sick_daemon(tmp_path))
        absent = stack.enter_context(reserved_port())
        expected = {
            alert: labels | {"instance": f"127.0.0.1:{port}"}
            for port, alerts in (
                (well.port, FIRED_BY_SOCKETS),
                (sick.port, FIRED_BY_SICK_EXPORTER),
                (absent, FIRED_BY_ABSENT_EXPORTER),
            )
            for alert, labels in alerts.items()
        }
        assert read_alerts() == expected.keys() | FIRED_BY_HOST_LIMITS
        prometheus = stack.enter_context(
            running_prometheus(tmp_path, well.port, sick.port, absent, rules=[rules])
        )
        stack.enter_context(in_trouble())
        wait_until(lambda: is_sick_enough(sick))
        stack.enter_context(frozen_sampling(sick))

        def all_have_fired() -> bool:
            for labels in map(dict, prometheus.query('ALERTS{alertstate="firing"}')):
                alert = labels["alertname"], labels["severity"]
                if expected.get(alert, {"": ""}).items() <= labels.items():
                    del expected[alert]
            return not expected

        with suppress(AssertionError):
            wait_until(all_have_fired, PATIENCE_SECONDS, PAUSE_SECONDS)
        assert not expected
