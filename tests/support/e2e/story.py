"""A server leaks, a client runs out of ports; the alerts say so, until both are mended."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from tests.support.e2e.actors import Actor, acting
from tests.support.e2e.stage import Stage, set_ephemeral_ports, set_stage
from tests.support.patience import wait_until

HTTP_ALT, POSTGRESQL = 8080, 5432
VISITS, LEAKS = 10, 30
LEAK, PORTS = "NetstatCloseWaitLeak", "NetstatEphemeralPortsRunningOut"
PATIENCE_SECONDS = 90
PAUSE_SECONDS = 0.2
CLOSE_WAIT = 'sum(netstat_sockets{state="close_wait",direction="inbound",port="8080"})'
OWNED = 'sum(netstat_owner_sockets{state="close_wait",owner="leaky-server"})'
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
        stage = held.enter_context(set_stage(divisor))
        server = held.enter_context(acting("server", "leaky-server", HTTP_ALT))
        held.enter_context(acting("server", "database", POSTGRESQL))
        client = held.enter_context(acting("client", "busy-client", POSTGRESQL))
        visitor = held.enter_context(acting("client", "visitor", HTTP_ALT))
        teller.watch("up", lambda: evaluate(stage, "up"), until="1".__eq__)
        leak(teller, stage, server, visitor)
        use_up_ports(teller, stage, client)
        show_alert(teller, stage, PORTS, {"port": "5432"}, "(postgresql)")
        show_alert(teller, stage, LEAK, {"port": "8080", "direction": "inbound"}, f"leaky-server ({LEAKS}).")
        show_queries(teller, stage)
        mend(teller, stage, server)
        see_resolved(teller, stage, LEAK)
        see_resolved(teller, stage, PORTS)
    teller.say("Done: all that was started has ended")


def leak(teller: Teller, stage: Stage, server: Actor, visitor: Actor) -> None:
    """Leave CLOSE_WAIT inbound."""
    teller.say(f"Visit leaky-server on port {HTTP_ALT}, which closes its connections")
    visitor.tell(f"visit {VISITS}")
    teller.watch("inbound CLOSE_WAIT", lambda: evaluate(stage, CLOSE_WAIT), until="0".__eq__)
    server.tell("leak")
    teller.say(f"From now on it does not close what its visitors have closed: {LEAKS} more visits")
    for count in range(VISITS, LEAKS + 1, VISITS):
        visitor.tell(f"visit {VISITS}")
        teller.watch("inbound CLOSE_WAIT", lambda: evaluate(stage, CLOSE_WAIT), until=str(count).__eq__)
    teller.watch("of leaky-server", lambda: evaluate(stage, OWNED), until=str(LEAKS).__eq__)


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


def show_alert(teller: Teller, stage: Stage, name: str, expected: Mapping[str, str], told: str) -> None:
    """Wait until an alert is in Alertmanager with this in its descriptions, and show what it says."""
    teller.watch(f"{name} in Prometheus", lambda: state_of(stage, name), until="firing".__eq__)
    wait_until(lambda: is_told(stage, name, told), PATIENCE_SECONDS, PAUSE_SECONDS)
    teller.say(f"{name} has come to Alertmanager:")
    for alert in stage.alertmanager.alerts(name):
        labels = {key: label for key, label in alert.labels.items() if key not in IN_ALL}
        teller.say(f"    {labels}")
        teller.say(f"    {alert.annotations['description']}")
        assert expected.items() <= alert.labels.items()


def is_told(stage: Stage, name: str, text: str) -> bool:
    """Tell whether an alert has come to Alertmanager, with this text in every description of it."""
    descriptions = [alert.annotations["description"] for alert in stage.alertmanager.alerts(name)]
    return bool(descriptions) and all(text in description for description in descriptions)


def show_queries(teller: Teller, stage: Stage) -> None:
    """Show what the main queries find."""
    for query in QUERIES:
        teller.say(query)
        for sample in stage.prometheus.query(query).items():
            teller.say(f"    {show_sample(*sample)}")


def mend(teller: Teller, stage: Stage, server: Actor) -> None:
    """End both."""
    teller.say("leaky-server is mended: it closes all that it kept")
    server.tell("mend")
    teller.watch("inbound CLOSE_WAIT", lambda: evaluate(stage, CLOSE_WAIT), until="0".__eq__)
    teller.say("busy-client keeps its connection; the range of ports is widened, as the runbook says")
    set_ephemeral_ports(10240, 60999)


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
    """Return the states that an alert is in, one of them most of the time."""
    found = stage.prometheus.query(f'ALERTS{{alertname="{name}",severity="warning"}}')
    return ", ".join(sorted(dict(labels)["alertstate"] for labels in found)) or "inactive"


def show_sample(labels: frozenset[tuple[str, str]], value: float) -> str:
    """Return a sample as Prometheus shows it, without what every one here has."""
    shown = dict(labels)
    name = shown.pop("__name__", "")
    inner = ", ".join(f'{key}="{text}"' for key, text in sorted(shown.items()) if key not in IN_ALL)
    return f"{name}{{{inner}}} {value:.0f}"
