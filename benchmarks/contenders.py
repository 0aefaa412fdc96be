"""What is measured: the kernel alone, ourselves, and our peers, each really running.

Every contender is opened once, in the network namespace that we are in, and then asked for many samples.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, NamedTuple

from benchmarks.peers import running_collectd, running_node_exporter
from benchmarks.processes import Probe, running_command, running_worker

PROCFS: Final = "procfs"
NETLINK: Final = "netlink"
AUTO: Final = "auto"

BARE: Final = {PROCFS: "bare read", NETLINK: "bare dump", AUTO: "bare dump"}
"""What the kernel alone costs: that against which one who lists sockets by this source is held."""

BARE_FAMILIES: Final = "bare dump, both families at once"
COUNTS: Final = "our pass, netlink"
EVERYTHING: Final = "our pass, everything on"
NONE_WATCHED: Final = "our pass, everything on, none watched"
NODE_EXPORTER: Final = "node_exporter tcpstat"
COLLECTD: Final = "collectd tcpconns"
SS_TCP: Final = "ss -tan"

_COUNTS_ONLY: Final = """
ages: {enabled: false}
owners: {enabled: false}
queues: {enabled: false}
listeners: {enabled: false}
ephemeral_ports: {enabled: false}
limits: {enabled: false}
udp_drops: {enabled: false}
peaks: {enabled: false}
"""
_WATCH_NOTHING_THERE: Final = "tracked: {states: [closing]}"


class Contender(NamedTuple):
    """Someone who lists sockets: by which source, what must be installed for it, and how it is run."""

    name: str
    source: str
    needs: str
    open: Callable[[], AbstractContextManager[Probe]]

    def installed(self) -> bool:
        """Tell whether it can run here."""
        return shutil.which(self.needs) is not None


def contenders(protocol: str) -> Iterator[Contender]:
    """Yield who can list the sockets of tcp or udp."""
    yield from ours(protocol)
    letter = protocol[0]
    yield Contender(f"ss -{letter}an", NETLINK, "ss", lambda: running_command("ss", f"-{letter}an"))
    yield Contender(
        f"netstat -{letter}an", PROCFS, "netstat", lambda: running_command("netstat", f"-{letter}an")
    )
    yield Contender(
        "psutil net_connections", PROCFS, sys.executable, lambda: running_worker("psutil", protocol)
    )
    if protocol == "tcp":
        yield Contender(NODE_EXPORTER, NETLINK, "prometheus-node-exporter", running_node_exporter)
        yield Contender(COLLECTD, NETLINK, "collectd", running_collectd)


def ours(protocol: str) -> Iterator[Contender]:
    """Yield the kernel alone and our own pass: counts only, for each source, and at the default settings."""
    yield Contender(BARE[PROCFS], PROCFS, sys.executable, lambda: running_worker("read", protocol))
    yield Contender(BARE[NETLINK], NETLINK, sys.executable, lambda: running_worker("dump", protocol))
    if protocol == "tcp":
        yield Contender(
            BARE_FAMILIES, NETLINK, sys.executable, lambda: running_worker("dump-families", protocol)
        )
    for source in BARE:
        yield _our_pass(name_of_pass(source), source, protocol, f"source: {source}{_COUNTS_ONLY}")
    yield _our_pass(EVERYTHING, AUTO, protocol)


def capabilities() -> Iterator[Contender]:
    """Yield our own pass over all default tables, with and without what is measured beyond the counts."""
    settings = {COUNTS: _COUNTS_ONLY, EVERYTHING: "", NONE_WATCHED: _WATCH_NOTHING_THERE}
    for name, more in settings.items():
        yield _our_pass(name, NETLINK, "default", f"source: netlink\n{more}")


def name_of_pass(source: str) -> str:
    """Return what our pass by a setting of ``source`` is called."""
    return f"our pass, {source}"


def _our_pass(name: str, source: str, protocol: str, settings: str = "") -> Contender:
    """Return a sampler of our own, at the default settings but for some."""
    tables = {"tcp": "tables: [tcp, tcp6]", "udp": "tables: [udp, udp6]"}.get(protocol, "")

    @contextmanager
    def running_passes() -> Iterator[Probe]:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
            config.write(f"{settings}\n{tables}\ntimeout: 1h\n")
            config.flush()
            with running_worker("pass", protocol, config.name) as probe:
                yield probe

    return Contender(name, source, sys.executable, running_passes)
