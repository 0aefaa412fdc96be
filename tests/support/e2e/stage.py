"""The exporter, Prometheus with the alerts in a hurry, and Alertmanager, in a network of their own.

Of other network namespaces the exporter sees those of one namespace of Kubernetes, whose pods are in
``containers``, with their logs in ``logs``.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.support.alertmanager import Alertmanager, running_alertmanager
from tests.support.daemon import Daemon, running_daemon
from tests.support.e2e.hurry import write_hurried_alerts
from tests.support.live.namespace import inside, private_namespace
from tests.support.prometheus import Prometheus, running_prometheus

CONFIG = """
interval: 100ms
cpu_budget: 1
namespaces: {{include: ['{shop}/*']}}
ages: {{stuck_after: {after_milliseconds}ms}}
ports: {{always: [5432]}}
"""


class Stage(NamedTuple):
    """What runs."""

    daemon: Daemon
    prometheus: Prometheus
    alertmanager: Alertmanager
    containers: Path
    logs: Path


@contextmanager
def set_stage(divisor: int, shop: str) -> Iterator[Stage]:
    """Run all, and live in its network namespace meanwhile; nothing is left at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        stack.enter_context(inside(stack.enter_context(private_namespace()).path))
        config = folder / "config.yaml"
        config.write_text(CONFIG.format(after_milliseconds=max(100, 60_000 // divisor), shop=shop))
        containers, logs = folder / "containers", folder / "pods"
        logs.mkdir()
        flags = (f"--config.file={config}", f"--path.pod-logs={logs}")
        daemon = stack.enter_context(running_daemon(*flags))
        alertmanager = stack.enter_context(running_alertmanager(folder))
        rules = write_hurried_alerts(folder, divisor)
        prometheus = stack.enter_context(
            running_prometheus(folder, daemon.port, rules=[rules], alertmanager_port=alertmanager.port)
        )
        yield Stage(daemon, prometheus, alertmanager, containers, logs)


def set_ephemeral_ports(first: int, last: int) -> None:
    """Set the range of the network namespace that we are in, and let TIME_WAIT keep its ports.

    On the loopback, which stands for a network here, tcp_tw_reuse gives them away by default, and a RST of
    the other side may end TIME_WAIT early, which tcp_rfc1337 does not let it.
    """
    folder = Path("/proc/sys/net/ipv4")
    (folder / "ip_local_port_range").write_text(f"{first} {last}")
    (folder / "tcp_tw_reuse").write_text("0")
    (folder / "tcp_rfc1337").write_text("1")
