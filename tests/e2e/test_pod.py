"""A leak in a pod of real containers fires an alert that names the pod, and ends when it is repaired.

The exporter has no privileges, and sees the pod through /proc and the kubelet's log directory alone.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.alertmanager import Alert, Alertmanager, running_alertmanager
from tests.support.daemon import running_daemon
from tests.support.e2e.hurry import write_hurried_alerts
from tests.support.live.runc import never_close, require_runc, running_pod, visit
from tests.support.live.unprivileged import readable_folder, require_unprivileged
from tests.support.patience import wait_until
from tests.support.prometheus import running_prometheus

pytestmark = [pytest.mark.live, pytest.mark.long, pytest.mark.usefixtures("isolation")]

DIVISOR = 600
LEAKS = 25
SHOP, POD, PORT = "shop-of-the-alert", "web-7c9d", 8080
CONFIG = f"""
interval: 100ms
cpu_budget: 1
ages: {{stuck_after: 200ms}}
namespaces: {{include: ['{SHOP}/*']}}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder that anybody can read."""
    with readable_folder() as path:
        yield path


def find_leak(alertmanager: Alertmanager) -> list[Alert]:
    """Return the alerts on the leak."""
    return alertmanager.alerts("NetstatCloseWaitLeak")


def test_a_leak_in_a_pod_is_named_and_resolves(folder: Path) -> None:
    require_runc()
    unprivileged = require_unprivileged()
    logs, config = folder / "pods", folder / "config.yaml"
    logs.mkdir()
    config.write_text(CONFIG)
    flags = (f"--config.file={config}", f"--path.pod-logs={logs}")
    with ExitStack() as stack:
        daemon = stack.enter_context(running_daemon(*flags, prefix=unprivileged))
        alertmanager = stack.enter_context(running_alertmanager(folder))
        rules = [write_hurried_alerts(folder, DIVISOR)]
        prometheus = stack.enter_context(
            running_prometheus(folder, daemon.port, rules=rules, alertmanager_port=alertmanager.port)
        )
        with running_pod(folder / "containers", logs, SHOP, POD, never_close(PORT)) as (pod, server):
            wait_until(lambda: b'state="listen"' in daemon.ask().body and POD.encode() in daemon.ask().body)
            visit(pod, PORT, LEAKS)
            wait_until(lambda: len(find_leak(alertmanager)) == 1, 60)
            (alert,) = find_leak(alertmanager)
            expected = {"netns": f"{SHOP}/{POD}", "namespace": SHOP, "pod": POD, "port": str(PORT)}
            assert expected.items() <= alert.labels.items()
            assert f"in {SHOP}/{POD} on " in alert.annotations["description"]
            server.run("killall", "sleep")
            wait_until(lambda: find_leak(alertmanager) == [], 60)
            series = f'netstat_sockets{{pod="{POD}"}}'
            assert prometheus.query(series)
        wait_until(lambda: prometheus.query(series) == {})  # stale, not five minutes later
        assert f'netns="{SHOP}'.encode() not in daemon.ask().body
