"""Find services whose peers do not answer, and connections without data."""

from collections.abc import Iterator
from functools import partial

from exporter.status import thresholds
from exporter.status.facts import ESTABLISHED, OUTBOUND, At, Facts, Row, sort_rows, worst
from exporter.status.history import Key
from exporter.status.model import Problem, Silence
from exporter.status.quantities import say_count
from exporter.status.severity import rank

_SERVICE = ("protocol", "direction", "port")
_HANDSHAKES = ("syn_sent", "syn_recv")


def find_silences(facts: Facts) -> list[Row[Silence]]:
    """Return the services with silent connections, the worst first."""
    established = facts.count(ESTABLISHED)
    idle = facts.by_service("netstat_idle_sockets")
    forgotten = facts.by_service("netstat_idle_sockets", keepalive="no")
    waiting: dict[At, dict[str, int]] = {}
    tried: dict[At, dict[str, float]] = {}
    measured = facts.by_service("netstat_unanswered_sockets")
    for (*place, state, what), number in facts.by(
        "netstat_unanswered_sockets", (*_SERVICE, "state", "waiting")
    ).items():
        if number:
            at = At(*place)
            by_what, by_state = waiting.setdefault(at, {}), tried.setdefault(at, {})
            by_what[what] = by_what.get(what, 0) + int(number)
            by_state[state] = by_state.get(state, 0) + number
    silences: list[Row[Silence]] = []
    for at in {**waiting, **{at: 0 for at, number in idle.items() if number}}:
        found = list(_judge(facts, at, tried.get(at, {}), established.get(at, 0)))
        severity, by_what = worst(found), waiting.get(at, {})
        unanswered = sum(by_what.values())
        make = partial(
            Silence,
            severity=severity,
            unanswered=unanswered,
            waiting=by_what,
            idle=int(idle[at]) if at in idle else None,
            idle_without_keepalive=int(forgotten.get(at, 0)) if at in idle else None,
            **facts.place(at),
        )
        order = (-rank(severity), -unanswered, -idle.get(at, 0))
        key = Key("netstat_unanswered_sockets", at.netns, at[1:])
        silences.append(Row(order, key, measured.get(at), make, found))
    return sort_rows(silences)


def _judge(facts: Facts, at: At, tried: dict[str, float], established: float) -> Iterator[Problem]:
    """Yield what NetstatPeersVanished and NetstatConnectsUnanswered make of a service."""
    threshold = thresholds.VANISHED.get(at.direction)
    if at.is_other or threshold is None:
        return
    vanished = sum(number for state, number in tried.items() if state not in _HANDSHAKES)
    share = thresholds.VANISHED_SHARE[at.direction].value
    if threshold.is_exceeded(vanished) and vanished > share * established:
        text = f"The peers of {say_count(vanished)} connections, {facts.describe(at)}, do not answer."
        yield facts.blame(threshold, at, text)
    connects = tried.get("syn_sent", 0)
    is_many = at.direction == OUTBOUND and connects > thresholds.CONNECTS_SHARE.value * established
    if is_many and thresholds.UNANSWERED_CONNECTS.is_exceeded(connects):
        text = f"Nothing answers {say_count(connects)} connects, {facts.describe(at)}."
        yield facts.blame(thresholds.UNANSWERED_CONNECTS, at, text)
