"""An exporter with everything wrong that can be wrong with an exporter."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.daemon import Daemon, running_daemon
from tests.support.e2e.frozen import frozen
from tests.support.live.namespace import Namespace, private_namespace
from tests.support.patience import wait_until

CONFIG = "interval: 100ms\ncpu_budget: 1\ntracked: {limit: 1}\n"
NOTHING: frozenset[tuple[str, str]] = frozenset()


@contextmanager
def sick_daemon(folder: Path) -> Iterator[Daemon]:
    """Run one that follows a single socket, and reads a bad table, another's sockstat, bad settings."""
    config = folder / "sick.yaml"
    config.write_text(CONFIG)
    with ExitStack() as stack:
        other_host = stack.enter_context(private_namespace())
        make_bad_procfs(folder / "1" / "net", other_host)
        daemon = stack.enter_context(running_daemon(f"--config.file={config}", f"--path.procfs={folder}"))
        config.write_text("no: such key\n")
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not daemon.samples()["netstat_exporter_config_last_reload_successful", NOTHING])
        yield daemon


def make_bad_procfs(net: Path, other_host: Namespace) -> None:
    """Make a procfs whose tcp6 is no file, and whose sockstat is of a host without sockets."""
    net.mkdir(parents=True)
    for table in ("tcp", "udp", "udp6"):
        (net / table).symlink_to(f"/proc/{os.getpid()}/net/{table}")
    (net / "tcp6").mkdir()
    (net / "sockstat").symlink_to(f"/proc/{other_host.keeper}/net/sockstat")


@contextmanager
def frozen_sampling(daemon: Daemon) -> Iterator[None]:
    """Let no pass end meanwhile; the thread that takes them is the first that the daemon started.

    The kernel lists threads in the order in which they were started; their numbers may begin again at 300.
    """
    _, sampling, *_ = os.listdir(f"/proc/{daemon.process.pid}/task")
    with frozen(int(sampling)):
        yield
