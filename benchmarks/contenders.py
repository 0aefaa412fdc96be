"""What is measured: the kernel alone, ourselves, and our peers, each really running.

Every contender is opened once, in the network namespace that we are in, and then asked for many samples.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final, NamedTuple

from benchmarks.peers import running_collectd, running_node_exporter
from benchmarks.processes import Probe, running_command, running_worker

PROCFS: Final = "procfs"
NETLINK: Final = "netlink"
AUTO: Final = "auto"

BARE_READ: Final = "bare read"
BARE_DUMP: Final = "bare dump of one family"
BARE_DUMPS: Final = "bare dump of each family"
BARE_JOINT_DUMP: Final = "bare dump, both families at once"
BARE: Final = {PROCFS: BARE_READ, NETLINK: BARE_DUMP, AUTO: BARE_DUMP}
"""What the kernel alone costs: that against which one who lists sockets by this source is held."""

SHIPPED: Final = "as shipped"
SHIPPED_PROCFS: Final = "as shipped, procfs"
SHIPPED_NETLINK: Final = "as shipped, netlink"
SHIPPED_UNTRACKED: Final = "as shipped, none tracked"
COUNTS: Final = "counts only, netlink"
COUNTS_PROCFS: Final = "counts only, procfs"
QUESTIONS: Final = "counts, idle and memory at every pass, netlink"
UNANSWERED: Final = "the observer of unanswered sockets alone"

WITH: Final = "with it"
WITHOUT: Final = "without it"
"""Our pass with all collectors, and with all but one."""

ALL_EVENTS: Final = "all events"
ONE_IN: Final = 16
SAMPLED_EVENTS: Final = f"one event in {ONE_IN}"

STATUS_PAGE: Final = "status page"
STATUS_JSON: Final = "status as JSON"

NODE_EXPORTER: Final = "node_exporter tcpstat"
COLLECTD: Final = "collectd tcpconns"
SS: Final = "ss -tan"
NETSTAT: Final = "netstat -tan"
PSUTIL: Final = "psutil net_connections"
PEERS: Final = (SS, NETSTAT, PSUTIL, NODE_EXPORTER, COLLECTD)

ALONE: Final = "namespaces: {enabled: false}\n"
"""Other network namespaces are measured by themselves."""
TRACK_NOTHING_THERE: Final = "tracked: {states: [closing]}\n"
_COUNTS_ONLY: Final = """
ages: {enabled: false}
owners: {enabled: false}
open_files: {enabled: false}
unanswered: {enabled: false}
idle: {enabled: false}
queues: {enabled: false}
accept_queues: {enabled: false}
listeners: {enabled: false}
ephemeral_ports: {enabled: false}
limits: {enabled: false}
tcp_counters: {enabled: false}
memory: {enabled: false}
udp_drops: {enabled: false}
peaks: {enabled: false}
"""
_COUNTS_AND_IDLE: Final = _COUNTS_ONLY.replace("idle: {enabled: false}", "")
_QUESTIONS: Final = f"""{_COUNTS_AND_IDLE.replace("memory: {enabled: false}", "")}
cpu_budget: 1
idle: {{every: 100ms}}
memory: {{when: always, every: 100ms}}
"""


class Contender(NamedTuple):
    """Someone who lists sockets: by which source, what must be installed for it, and how it is run."""

    name: str
    source: str
    needs: str
    open: Callable[[], AbstractContextManager[Probe]]

    def installed(self) -> bool:
        """Tell whether it can run here."""
        return shutil.which(self.needs) is not None


def tcp_contenders() -> Iterator[Contender]:
    """Yield who can list TCP's sockets; passes of ours are next to what the kernel alone does."""
    yield _bare_read("tcp")
    yield our_pass(SHIPPED_PROCFS, PROCFS, "tcp")
    yield our_pass(COUNTS_PROCFS, PROCFS, "tcp", _COUNTS_ONLY)
    yield _bare_dump("tcp")
    yield our_pass(SHIPPED, AUTO, "tcp")
    yield our_pass(SHIPPED_UNTRACKED, AUTO, "tcp", TRACK_NOTHING_THERE)
    yield _worker(BARE_JOINT_DUMP, NETLINK, "dump-families", "tcp")
    yield _worker(BARE_DUMPS, NETLINK, "dump", "tcp")
    yield our_pass(COUNTS, NETLINK, "tcp", _COUNTS_ONLY)
    yield our_pass(QUESTIONS, NETLINK, "tcp", _QUESTIONS)
    yield Contender(SS, NETLINK, "ss", lambda: running_command("ss", "-tan"))
    yield Contender(NETSTAT, PROCFS, "netstat", lambda: running_command("netstat", "-tan"))
    yield _worker(PSUTIL, PROCFS, "psutil", "tcp")
    yield Contender(NODE_EXPORTER, NETLINK, "prometheus-node-exporter", running_node_exporter)
    yield Contender(COLLECTD, NETLINK, "collectd", running_collectd)


def observer_contenders() -> Iterator[Contender]:
    """Yield observers that cost less than two passes differ by, so that they are measured alone."""
    yield _worker(UNANSWERED, NETLINK, "unanswered", "tcp")


def udp_contenders() -> Iterator[Contender]:
    """Yield who can list UDP's sockets, but over procfs, where the time grows with their square."""
    yield _worker(BARE_DUMPS, NETLINK, "dump", "udp")
    yield our_pass(SHIPPED, AUTO, "udp")
    yield our_pass(COUNTS, NETLINK, "udp", _COUNTS_ONLY)
    yield Contender("ss -uan", NETLINK, "ss", lambda: running_command("ss", "-uan"))


def idle_contenders() -> Iterator[Contender]:
    """Yield the kernel alone and our pass over all default tables, by each source."""
    yield _bare_read("default")
    yield _bare_dump("default")
    yield our_pass(SHIPPED, AUTO)
    yield our_pass(SHIPPED_NETLINK, NETLINK)
    yield our_pass(SHIPPED_PROCFS, PROCFS)


def port_contenders() -> Iterator[Contender]:
    """Yield our pass over all default tables."""
    yield our_pass(SHIPPED, AUTO)


def collector_contenders(collector: str) -> Iterator[Contender]:
    """Yield our pass over all default tables, with a collector and without it."""
    yield our_pass(WITH, NETLINK)
    yield our_pass(WITHOUT, NETLINK, settings=f"{collector}: {{enabled: false}}\n")


def event_contenders(number: int) -> Iterator[Contender]:
    """Yield the thread that reads so many events of closed connections: all of them, and a share."""
    for name, one_in in ((ALL_EVENTS, 1), (SAMPLED_EVENTS, ONE_IN)):
        open_worker = partial(running_worker, "events", str(number), str(one_in))
        yield Contender(name, NETLINK, sys.executable, open_worker)


def status_contenders() -> Iterator[Contender]:
    """Yield what makes the status of a large host, as a page and as JSON."""
    yield _worker(STATUS_PAGE, AUTO, "status", "page")
    yield _worker(STATUS_JSON, AUTO, "status", "json")


def our_pass(name: str, source: str, tables: str = "", settings: str = "") -> Contender:
    """Return a sampler of our own, at the default settings but for some."""
    wanted = {"tcp": "tables: [tcp, tcp6]\n", "udp": "tables: [udp, udp6]\n"}.get(tables, "")

    @contextmanager
    def running_passes() -> Iterator[Probe]:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
            config.write(f"source: {source}\ntimeout: 1h\n{ALONE}{wanted}{settings}")
            config.flush()
            with running_worker("pass", tables, config.name) as probe:
                yield probe

    return Contender(name, source, sys.executable, running_passes)


def _bare_read(tables: str) -> Contender:
    """Return what the kernel alone costs by procfs."""
    return _worker(BARE_READ, PROCFS, "read", tables)


def _bare_dump(tables: str) -> Contender:
    """Return what the kernel alone costs by netlink."""
    return _worker(BARE_DUMP, NETLINK, "dump-one", tables)


def _worker(name: str, source: str, work: str, tables: str) -> Contender:
    return Contender(name, source, sys.executable, lambda: running_worker(work, tables))
