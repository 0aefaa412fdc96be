"""A server and a pod leak, ports run out, a backend vanishes; the alerts say so, until all is mended."""

import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import pytest

from tests.support.alertmanager import Alert
from tests.support.daemon import COMMAND, ROOT
from tests.support.e2e.actors import Actor, acting
from tests.support.e2e.stage import Stage, set_ephemeral_ports, set_stage
from tests.support.live.cgroup import enter, made_cgroup
from tests.support.live.runc import Container, never_close, require_runc, running_pod, visit
from tests.support.patience import wait_until

HTTP_ALT, POSTGRESQL, LDAP = 8080, 5432, 389
VISITS, LEAKS, POD_LEAKS, HELD = 10, 50, 25, 8
FILES = 66
LEAKY = "leaky-server.service"
SHOP, POD, POD_PORT = "demo-shop", "web-7c9d", 8081
LEAK, PORTS = "NetstatCloseWaitLeak", "NetstatEphemeralPortsRunningOut"
FILES_FULL, VANISHED = "NetstatOpenFilesRunningOut", "NetstatPeersVanished"
PATIENCE_SECONDS = 90
PAUSE_SECONDS = 0.2
CLOSE_WAIT = 'sum(netstat_sockets{state="close_wait",direction="inbound",port="8080"})'
OF_THE_POD = f'sum(netstat_sockets{{state="close_wait",pod="{POD}"}})'
OWNED = f'sum(netstat_owner_sockets{{state="close_wait",owner="{LEAKY}"}})'
UNANSWERED = 'sum(netstat_unanswered_sockets{port="389",waiting="data"})'
FILES_LEFT = f'min(netstat_owner_open_files_limit{{owner="{LEAKY}"}} - netstat_owner_open_files)'
PERCENT = """
round(100 * sum(netstat_ephemeral_ports_busiest_destination{port="5432"}) / sum(netstat_ephemeral_ports))
"""
IN_ALL = {"alertname", "instance", "job"}

QUERIES = (
    'sum by (port, port_name, direction) (netstat_sockets{state="close_wait", port="8080"})',
    'sum by (owner, port_name) (netstat_owner_sockets{state="close_wait"}) > 0',
    'netstat_oldest_socket_age_seconds{state="close_wait"} > 0',
    'sum by (port_name, state) (netstat_sockets{direction="outbound", port="5432"}) > 0',
    "netstat_ephemeral_ports_busiest_destination",
    "netstat_ephemeral_ports",
    "netstat_owner_open_files_limit - netstat_owner_open_files",
    "sum by (port_name, waiting) (netstat_unanswered_sockets) > 0",
)


class Teller:
    """Tells the story, each line with the seconds since it began."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._began = time.monotonic()
        self._last: dict[str, str] = {}

    def say(self, text: str) -> None:
        """Tell one thing."""
        self._write(f"{time.monotonic() - self._began:6.1f} s  {text}")

    def watch(self, name: str, read: Callable[[], str], *, until: Callable[[str], bool]) -> None:
        """Tell a value whenever it changes, until it is as it should be; fail when that takes too long."""

        def is_there() -> bool:
            value = read()
            if self._last.get(name) != value:
                self.say(f"    {name}: {value or 'none yet'}")
                self._last[name] = value
            return until(value)

        wait_until(is_there, PATIENCE_SECONDS, PAUSE_SECONDS)


def tell_story(write: Callable[[str], None], divisor: int) -> None:
    """Let it all happen; fails when a step of it does not."""
    teller = Teller(write)
    teller.say(f"Scaled: a minute of the shipped alerts, and of ages.stuck_after, is {60 / divisor:g} s here")
    with ExitStack() as held:
        teller.say("Start netstat-exporter, Prometheus, Alertmanager in a network namespace of their own")
        stage = held.enter_context(set_stage(divisor, SHOP))
        unit = enter(held.enter_context(made_cgroup(LEAKY)))
        server = held.enter_context(acting("server", "leaky-server", HTTP_ALT, FILES, unit))
        held.enter_context(acting("server", "database", POSTGRESQL))
        client = held.enter_context(acting("client", "busy-client", POSTGRESQL))
        visitor = held.enter_context(acting("client", "visitor", HTTP_ALT))
        directory = held.enter_context(acting("server", "directory", LDAP))
        asker = held.enter_context(acting("client", "asker", LDAP))
        teller.watch("up", lambda: evaluate(stage, "up"), until="1".__eq__)
        leak(teller, stage, server, visitor)
        pod = start_pod(teller, stage, held)
        vanish(teller, stage, directory, asker)
        use_up_ports(teller, stage, client)
        show_alert(teller, stage, PORTS, {"port": "5432"}, "(postgresql)")
        show_queries(teller, stage)
        show_alert(teller, stage, LEAK, {"port": "8080", "direction": "inbound"}, f"{LEAKY} ({LEAKS}).")
        show_alert(teller, stage, FILES_FULL, {"owner": LEAKY}, "At the pace of the last half hour")
        if pod:
            show_alert(teller, stage, LEAK, {"pod": POD, "namespace": SHOP}, f"in {SHOP}/{POD} on ")
        show_alert(teller, stage, VANISHED, {"port": "389"}, f"data ({HELD})")
        show_terminal(teller, stage)
        mend(teller, stage, server, asker, pod)
        for name in (LEAK, FILES_FULL, PORTS, VANISHED):
            see_resolved(teller, stage, name)
    teller.say("Done: all that was started has ended")


def leak(teller: Teller, stage: Stage, server: Actor, visitor: Actor) -> None:
    """Leave CLOSE_WAIT inbound, and with every one a file less."""
    teller.say(f"Visit {LEAKY} on port {HTTP_ALT}, which closes its connections")
    visitor.tell(f"visit {VISITS}")
    teller.watch("inbound CLOSE_WAIT", lambda: evaluate(stage, CLOSE_WAIT), until="0".__eq__)
    server.tell("leak")
    teller.say(f"From now on it does not close what its visitors have closed: {LEAKS} more visits")
    for count in range(VISITS, LEAKS + 1, VISITS):
        visitor.tell(f"visit {VISITS}")
        teller.watch("inbound CLOSE_WAIT", lambda: evaluate(stage, CLOSE_WAIT), until=str(count).__eq__)
    teller.watch(f"of {LEAKY}", lambda: evaluate(stage, OWNED), until=str(LEAKS).__eq__)
    teller.say(f"It may open {FILES} files: without one, accept() fails")
    few = FILES - LEAKS
    teller.watch(
        "files left", lambda: evaluate(stage, FILES_LEFT), until=lambda left: 0 < float(left or 0) < few
    )


def start_pod(teller: Teller, stage: Stage, held: ExitStack) -> Container | None:
    """Run a pod that leaks, where one can be run."""
    try:
        require_runc()
    except pytest.skip.Exception as missing:
        teller.say(f"No pod leaks in this story: {missing}")
        return None
    teller.say(f"The pod {SHOP}/{POD} leaks, too, in a network namespace of its own")
    pod = running_pod(stage.containers, stage.logs, SHOP, POD, never_close(POD_PORT))
    namespace, container = held.enter_context(pod)
    listening = f'sum(netstat_sockets{{state="listen",pod="{POD}"}})'
    teller.watch("listeners of the pod", lambda: evaluate(stage, listening), until="1".__eq__)
    visit(namespace, POD_PORT, POD_LEAKS)
    teller.watch("CLOSE_WAIT of the pod", lambda: evaluate(stage, OF_THE_POD), until=str(POD_LEAKS).__eq__)
    return container


def vanish(teller: Teller, stage: Stage, directory: Actor, asker: Actor) -> None:
    """Let a backend be gone without a word."""
    teller.say(f"asker has {HELD} connections to the directory on port {LDAP}, whose host loses power")
    asker.tell(f"hold {HELD}")
    directory.tell("vanish")
    asker.tell("ask")
    teller.watch("without an answer", lambda: evaluate(stage, UNANSWERED), until=str(HELD).__eq__)


def use_up_ports(teller: Teller, stage: Stage, client: Actor) -> None:
    """Leave TIME_WAIT outbound, until there is no port for another connection."""
    teller.say("busy-client opens a connection to the database on port 5432 for every query, and closes it")
    set_ephemeral_ports(20000, 23999)
    for enough in (15, 40, 65, 90):
        answer = client.tell("visit 1000")
        teller.watch("percent of the ports", lambda: evaluate(stage, PERCENT), until=is_above(enough))
    while answer == "done":
        answer = client.tell("visit 100")
    teller.say(f"    the next one: {answer}")
    assert answer == "connect: Cannot assign requested address"


def is_above(limit: int) -> Callable[[str], bool]:
    """Return what tells whether a number is there and above the limit."""
    return lambda number: float(number or 0) > limit


def show_alert(teller: Teller, stage: Stage, name: str, labels: Mapping[str, str], told: str) -> None:
    """Wait until an alert with these labels is in Alertmanager, its descriptions say this, and show them."""

    def find() -> list[Alert]:
        alerts = stage.alertmanager.alerts(name)
        return [alert for alert in alerts if labels.items() <= alert.labels.items()]

    def is_told() -> bool:
        return bool(found := find()) and all(told in alert.annotations["description"] for alert in found)

    teller.watch(
        f"{name} in Prometheus", lambda: state_of(stage, name), until=lambda states: "firing" in states
    )
    wait_until(is_told, PATIENCE_SECONDS, PAUSE_SECONDS)
    teller.say(f"{name} has come to Alertmanager:")
    for alert in find():
        shown = {key: label for key, label in alert.labels.items() if key not in IN_ALL}
        teller.say(f"    {shown}")
        teller.say(f"    {alert.annotations['description']}")


def show_queries(teller: Teller, stage: Stage) -> None:
    """Show what the main queries find."""
    for query in QUERIES:
        teller.say(query)
        for sample in stage.prometheus.query(query).items():
            teller.say(f"    {show_sample(*sample)}")


def show_terminal(teller: Teller, stage: Stage) -> None:
    """Show what a person on the host sees."""
    command = [*COMMAND, "show", f"--url=http://127.0.0.1:{stage.daemon.port}"]
    run = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    )
    assert f"{LEAKY} does not close connections" in run.stdout
    teller.say("A person on the host asks: netstat-exporter show")
    for line in run.stdout.splitlines():
        teller.say(f"    {line}".rstrip())


def mend(teller: Teller, stage: Stage, server: Actor, asker: Actor, pod: Container | None) -> None:
    """End all of it."""
    teller.say(f"{LEAKY} is mended: it closes all that it kept")
    server.tell("mend")
    teller.watch("inbound CLOSE_WAIT", lambda: evaluate(stage, CLOSE_WAIT), until="0".__eq__)
    if pod:
        teller.say("So is the pod")
        pod.run("killall", "sleep")
    teller.say("busy-client keeps its connection; the range of ports is widened, as the runbook says")
    set_ephemeral_ports(10240, 60999)
    teller.say("asker gives its connections up")
    asker.tell("drop")


def see_resolved(teller: Teller, stage: Stage, name: str) -> None:
    """Wait until an alert has gone from Alertmanager."""
    teller.watch(
        f"{name} in Alertmanager",
        lambda: "firing" if stage.alertmanager.alerts(name) else "resolved",
        until="resolved".__eq__,
    )


def evaluate(stage: Stage, query: str) -> str:
    """Return the number that a query finds, empty when there is none."""
    return " ".join(f"{value:g}" for value in stage.prometheus.query(query).values())


def state_of(stage: Stage, name: str) -> str:
    """Return the states that an alert is in, which may be several: of the host, and of a pod."""
    found = stage.prometheus.query(f'ALERTS{{alertname="{name}",severity="warning"}}')
    return ", ".join(sorted(dict(labels)["alertstate"] for labels in found)) or "inactive"


def show_sample(labels: frozenset[tuple[str, str]], value: float) -> str:
    """Return a sample as Prometheus shows it, without what every one here has."""
    shown = dict(labels)
    name = shown.pop("__name__", "")
    inner = ", ".join(f'{key}="{text}"' for key, text in sorted(shown.items()) if key not in IN_ALL)
    return f"{name}{{{inner}}} {value:.0f}"
