"""An exporter with everything wrong that can be wrong with an exporter."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.daemon import Daemon, running_daemon
from tests.support.debian import Server
from tests.support.e2e.frozen import frozen
from tests.support.live.namespace import Namespace, private_namespace
from tests.support.patience import wait_until

CONFIG = "interval: 100ms\ncpu_budget: 1\ntracked: {limit: 1}\nnamespaces: {limit: 1}\n"
NOTHING: frozenset[tuple[str, str]] = frozenset()
WITHOUT_NETLINK = (
    sys.executable,
    "-m",
    "tests.support.without_netlink",
)  # which would have what procfs has not
QUICK_SECONDS = 2
ENOUGH_UNTRACKED = 40  # a difference of 20 sockets may be chance


@contextmanager
def sick_daemon(folder: Path) -> Iterator[Daemon]:
    """Run one that tracks a single socket, and reads a bad table, another's sockstat, bad settings.

    It reads one of two containers.
    """
    config = folder / "sick.yaml"
    config.write_text(CONFIG)
    with ExitStack() as stack:
        other_host = stack.enter_context(private_namespace())
        make_bad_procfs(folder / "1", other_host)
        for number, container in enumerate((other_host, stack.enter_context(private_namespace())), start=2):
            (folder / str(number)).mkdir()
            for name in ("net", "stat"):
                (folder / str(number) / name).symlink_to(f"/proc/{container.keeper}/{name}")
        flags = f"--config.file={config}", f"--path.procfs={folder}"
        daemon = stack.enter_context(running_daemon(*flags, prefix=WITHOUT_NETLINK))
        config.write_text("no: such key\n")
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not daemon.samples()["netstat_exporter_config_last_reload_successful", NOTHING])
        yield daemon


def make_bad_procfs(process: Path, other_host: Namespace) -> None:
    """Make a procfs whose udp6 is no file, and whose sockstat is of a host without sockets.

    Its only process has a stat without a word in it: whoever looks for owners of sockets fails.
    """
    net = process / "net"
    net.mkdir(parents=True)
    (process / "stat").touch()
    for table in ("tcp", "tcp6", "udp"):
        (net / table).symlink_to(f"/proc/{os.getpid()}/net/{table}")
    (net / "udp6").mkdir()
    (net / "sockstat").symlink_to(f"/proc/{other_host.keeper}/net/sockstat")


def is_sick_enough(daemon: Daemon) -> bool:
    """Tell whether all is counted that must be wrong at its last pass; after a slow one it is stale late."""
    samples = daemon.samples()
    failing = samples["netstat_exporter_collector_success", frozenset({("collector", "owners")})] == 0
    quick = samples["netstat_exporter_pass_duration_seconds", NOTHING] < QUICK_SECONDS
    return failing and quick and samples["netstat_exporter_untracked_sockets", NOTHING] > ENOUGH_UNTRACKED


@contextmanager
def frozen_sampling(daemon: Daemon) -> Iterator[None]:
    """Let no pass end meanwhile: the threads that log, take passes and read the kernel stand still.

    They are the first after the one that serves; the kernel lists threads in the order of their start. Later
    ones encode pages, and must not be stopped. A stopped one may hold the lock of the interpreter at that
    moment. Then nothing is served, and it is tried again.
    """
    process = daemon.process.pid
    while True:
        with ExitStack() as stack:
            for thread in os.listdir(f"/proc/{process}/task")[1:4]:
                stack.enter_context(frozen(int(thread)))
            if Server(daemon.port).is_ready():
                yield
                return
