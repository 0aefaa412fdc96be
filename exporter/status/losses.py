"""Find what the kernel dropped or cut short because a limit was reached."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from exporter.status import thresholds
from exporter.status.facts import ESTABLISHED, INBOUND, OUTBOUND, At, Facts, Row, Values, sort_rows
from exporter.status.history import Key
from exporter.status.model import Loss, Problem
from exporter.status.quantities import say_rate
from exporter.status.severity import OK, rank
from exporter.status.thresholds import Threshold

_RATE_SECONDS = 300
_NO_RATE = 0.0

_OF_NAMESPACES = {
    "listen_overflows": "netstat_listen_overflows_total",
    "time_wait_overflows": "netstat_time_wait_overflows_total",
    "memory_aborts": "netstat_memory_aborts_total",
    "syn_queue_drops": "netstat_syn_queue_drops_total",
    "syn_cookies": "netstat_syn_cookies_sent_total",
}
_OF_PORTS = {"listener_drops": "netstat_listener_drops_total", "udp_drops": "netstat_udp_drops_total"}
_TEXTS = {
    "listen_overflows": "{} inbound connections are dropped{}, because an accept queue is full.",
    "time_wait_overflows": "{} connections end without TIME_WAIT{}, because its table is full.",
    "memory_aborts": "{} connections are aborted{}, because TCP has no more memory or too many orphans.",
    "udp_drops": "{} datagrams are dropped{}, because the program does not read them in time.",
}


class _Counter(NamedTuple):
    """A counter that is not 0."""

    kind: str
    at: At
    key: Key
    total: float


def find_losses(facts: Facts) -> list[Row[Loss]]:
    """Return what was lost, the worst first."""
    counters = list(_find_counters(facts))
    if not counters:
        return []
    losses: list[Row[Loss]] = []
    rates = {each.key: facts.trends.rate(each.key, each.total, _RATE_SECONDS) for each in counters}
    dropping = _find_dropping(counters, rates)
    established, unread = _count_established(facts), facts.by_service("netstat_receive_queue_bytes")
    for each in counters:
        rate = rates[each.key]
        exceeded = _judge(facts, each, rate or _NO_RATE, established, unread)
        severity = exceeded.severity if exceeded else OK
        make = partial(
            Loss,
            severity=severity,
            kind=each.kind,
            total=int(each.total),
            per_second=rate,
            **facts.place(each.at),
        )
        order = (-rank(severity), -(rate or _NO_RATE), -each.total)
        problems = list(_find_problems(facts, each, rate, exceeded, dropping.get(each.at.netns)))
        losses.append(Row(order, each.key, each.total, make, problems))
    return sort_rows(losses)


def _find_problems(
    facts: Facts, counter: _Counter, rate: float | None, exceeded: Threshold | None, dropping: At | None
) -> Iterator[Problem]:
    at = counter.at
    if exceeded and rate:
        where = f", {facts.describe(at)}" if at.port else f" in {at.netns}" * bool(at.netns)
        if counter.kind == "listen_overflows" and dropping:
            owner = facts.find_listener(dropping)
            where += f", mostly at {facts.describe_port(dropping)}{f' of {owner}' * bool(owner)}"
        yield facts.blame(exceeded, at, _TEXTS[counter.kind].format(say_rate(rate), where))


def _find_dropping(counters: Sequence[_Counter], rates: Mapping[Key, float | None]) -> Mapping[str, At]:
    """Return by network namespace which port drops the most connections now; none where that is not known."""
    found: dict[str, tuple[float, At]] = {}
    for each in counters:
        rate = rates[each.key] or _NO_RATE
        if each.kind == "listener_drops" and rate > found.get(each.at.netns, (_NO_RATE,))[0]:
            found[each.at.netns] = rate, each.at._replace(direction="")
    return {netns: at for netns, (_, at) in found.items()}


def _find_counters(facts: Facts) -> Iterator[_Counter]:
    for kind, metric in _OF_NAMESPACES.items():
        for (netns,), total in facts.by(metric, ()).items():
            if total:
                yield _Counter(kind, At(netns), Key(metric, netns), total)
    for kind, metric in _OF_PORTS.items():
        for at, total in facts.by_service(metric).items():
            if total:
                key = Key(metric, at.netns, (at.protocol, at.port))
                direction = _find_direction(facts, at) if kind == "udp_drops" else INBOUND
                yield _Counter(kind, at._replace(direction=direction), key, total)


def _find_direction(facts: Facts, at: At) -> str:
    """Return the one direction of the sockets at a port, empty if there is none: the counter has none."""
    directions = [each.direction for each in _both_directions(at) if facts.sockets.get(each)]
    return directions[0] if len(directions) == 1 else ""


def _both_directions(at: At) -> Sequence[At]:
    return [at._replace(direction=direction) for direction in (INBOUND, OUTBOUND)]


def _judge(
    facts: Facts,
    counter: _Counter,
    rate: float,
    established: Mapping[tuple[str, str], float],
    unread: Values,
) -> Threshold | None:
    """Return the threshold that the rate of a counter exceeds, in number and in share.

    ``established`` are connections by network namespace and direction, ``unread`` bytes by service.
    """
    netns = counter.at.netns
    inbound, outbound = (established.get((netns, direction), 0) for direction in (INBOUND, OUTBOUND))
    if counter.kind == "listen_overflows":
        floor, threshold = thresholds.LISTEN_OVERFLOWS_SHARE.value * inbound, thresholds.LISTEN_OVERFLOWS
    elif counter.kind == "time_wait_overflows":
        waiting = facts.get("netstat_time_wait_buckets", netns) or 0
        floor, threshold = (
            thresholds.TIME_WAIT_OVERFLOWS_SHARE.value * waiting,
            thresholds.TIME_WAIT_OVERFLOWS,
        )
    elif counter.kind == "memory_aborts":
        floor = thresholds.MEMORY_ABORTS_SHARE.value * (inbound + outbound)
        threshold = thresholds.MEMORY_ABORTS
    elif counter.kind == "udp_drops":
        floor = 0.0
        is_unread = any(unread.get(each) for each in _both_directions(counter.at))
        threshold = thresholds.UDP_DROPS_UNREAD if is_unread else thresholds.UDP_DROPS
    else:
        return None
    return threshold if threshold.is_exceeded(rate) and rate > floor else None


def _count_established(facts: Facts) -> Mapping[tuple[str, str], float]:
    found = Counter[tuple[str, str]]()
    for at, number in facts.count(ESTABLISHED).items():
        found[at.netns, at.direction] += int(number)
    return found
