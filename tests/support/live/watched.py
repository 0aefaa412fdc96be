"""A Prometheus that watches three hosts: one on a bad day, one whose tables were captured, one that is gone.

Only the first network namespace of a machine shows the limits of memory and orphans; the captured host has
them.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from tests.support.daemon import COMMAND, ROOT, Daemon, running_daemon
from tests.support.live.incident import IN_POD, NAMES, UNITS, incident
from tests.support.live.namespace import Namespace, two_hosts
from tests.support.live.runc import require_runc, running_pod
from tests.support.patience import wait_until
from tests.support.prometheus import Prometheus, running_prometheus

BAD_DAY, CAPTURED, GONE = "web1", "web2", "web3"
SHOP, POD = "webshop", "cart-7c9d"
CART = ["nc", "-ll", "-p", str(IN_POD), "-e", "/bin/sleep", "100000"]  # which never closes what it got
RECORDING = ROOT / "prometheus" / "recording.yml"
QUICK = {
    "interval": "200ms",
    "cpu_budget": 1,
    "ports": {"names": NAMES},
    "ages": {"stuck_after": "1s"},
    "idle": {"after": "1s", "every": "1s"},
}
"""What a daemon needs to show the bad day at once."""
CONFIG = {
    **QUICK,
    "memory": {"when": "always", "every": "1s"},
    "closed_connections": {"enabled": True},
    "peaks": {"window": "10s"},
    "namespaces": {"include": [f"{SHOP}/*"]},
}


@contextmanager
def daemon_inside(namespace: Namespace, *flags: str) -> Iterator[Daemon]:
    """Run the daemon in a namespace, though it listens in ours: it is handed the socket, as systemd does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        handed = f'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3<&{listening.fileno()}'
        command = [*COMMAND, "--web.systemd-socket", "--log.format=json", *flags]
        process = subprocess.Popen(
            namespace.command("bash", "-c", handed, "bash", *command),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            pass_fds=[listening.fileno()],
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                daemon = Daemon(process, int(listening.getsockname()[1]))
                daemon.wait_for("started")
                yield daemon
            finally:
                process.kill()


def hasten_alerts(folder: Path) -> Path:
    """Write the alerts so that they fire at once, not after minutes, and return the file."""
    rules = yaml.safe_load((ROOT / "prometheus" / "alerts.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                rule["for"] = "0s"
    hastened = folder / "alerts.yml"
    hastened.write_text(yaml.safe_dump(rules))
    return hastened


@contextmanager
def watched_incident(folder: Path, scrape_interval: str) -> Iterator[Prometheus]:
    """Let it happen, and yield the Prometheus that watches."""
    require_runc()
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(CONFIG))
    logs = folder / "pods"
    logs.mkdir()
    flags = [f"--config.file={config}", f"--path.pod-logs={logs}"]
    with ExitStack() as stack:
        server, client = stack.enter_context(two_hosts())
        pod, _ = stack.enter_context(running_pod(folder / "containers", logs, SHOP, POD, CART))
        gone = stack.enter_context(running_daemon(*flags))
        daemons = {
            BAD_DAY: stack.enter_context(daemon_inside(server, *flags)),
            CAPTURED: stack.enter_context(
                running_daemon(*flags, f"--path.procfs={ROOT / 'tests' / 'fixtures' / 'proc'}")
            ),
            GONE: gone,
        }
        stack.enter_context(incident(server, client, pod=pod, units=UNITS))
        prometheus = stack.enter_context(
            running_prometheus(
                folder,
                *(daemon.port for daemon in daemons.values()),
                instances=list(daemons),
                rules=[hasten_alerts(folder), RECORDING],
                interval=scrape_interval,
            )
        )
        wait_until(lambda: prometheus.query(f'instance:up:exporters{{instance="{GONE}"}}') != {})
        gone.process.kill()
        yield prometheus
