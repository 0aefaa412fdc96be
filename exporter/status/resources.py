"""Find what runs out: everything that has a limit, with how much of it is used."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from heapq import nlargest
from typing import Final, NamedTuple

from exporter.sampling.labels import OTHER, UNKNOWN_OWNER
from exporter.status import thresholds
from exporter.status.facts import INBOUND, OUTBOUND, At, Facts, Row, first_exceeded, sort_rows
from exporter.status.history import Key
from exporter.status.model import Problem, Resource
from exporter.status.quantities import say_bytes, say_count, say_duration, say_share
from exporter.status.severity import OK, WARNING, rank
from exporter.status.thresholds import Threshold

_MOST_HOLDERS: Final = 3
_OWNER_WORDS: Final = {OTHER: "other owners", UNKNOWN_OWNER: "unknown owners"}


class _Usage(NamedTuple):
    """How much of something is used, by whom, and which threshold that exceeds.

    ``now`` is the value of the series that its key names, which for bound ports is more than what counts.
    """

    kind: str
    unit: str
    at: At
    key: Key
    used: float
    limit: float
    ratio: float
    left_seconds: float | None
    exceeded: Threshold | None
    text: str
    owner: str = ""
    now: float | None = None


def find_resources(facts: Facts) -> list[Row[Resource]]:
    """Return what is limited, the fullest first."""
    resources: list[Row[Resource]] = []
    for find in (_find_destinations, _find_bound, _find_queues, _find_files, _find_tables):
        for usage in find(facts):
            severity = usage.exceeded.severity if usage.exceeded else OK
            make = partial(
                Resource,
                severity=severity,
                kind=usage.kind,
                unit=usage.unit,
                owner=usage.owner,
                used=usage.used,
                limit=usage.limit,
                ratio=usage.ratio,
                left_seconds=usage.left_seconds,
                **facts.place(usage.at),
            )
            now = usage.used if usage.now is None else usage.now
            order, problems = (-rank(severity), -usage.ratio), list(_find_problems(facts, usage))
            resources.append(Row(order, usage.key, now, make, problems))
    return sort_rows(resources)


def _find_problems(facts: Facts, usage: _Usage) -> Iterator[Problem]:
    if usage.exceeded:
        left = usage.left_seconds
        end = "" if left is None else f" At the present growth none is left in {say_duration(left)}."
        yield facts.blame(usage.exceeded, usage.at, usage.text + end, usage.owner)


def _choose(
    exceeded: Sequence[Threshold], filling: Threshold, ratio: float, left_seconds: float | None, within: float
) -> Threshold | None:
    """Return the threshold that a share exceeds; a lower one counts where the rest is used up soon."""
    is_soon = left_seconds is not None and left_seconds <= within
    return first_exceeded(exceeded, ratio) or (filling if is_soon and filling.is_exceeded(ratio) else None)


def _find_destinations(facts: Facts) -> Iterator[_Usage]:
    found = facts.by_service("netstat_ephemeral_ports_busiest_destination", max)
    for at, used in found.items():
        limit = facts.get("netstat_ephemeral_ports", at.netns)
        if not limit:
            continue
        key = Key("netstat_ephemeral_ports_busiest_destination", at.netns, (at.protocol, at.port))
        ratio, left = used / limit, facts.time_left(key, used, limit)
        exceeded = _choose(
            thresholds.DESTINATION,
            thresholds.DESTINATION_FILLING,
            ratio,
            left,
            thresholds.DESTINATION_SECONDS.value,
        )
        place = at._replace(direction=OUTBOUND)
        text = (
            f"{say_share(ratio)} of the ephemeral ports are used for one destination, "
            f"{facts.describe(place)}: at 100 % connect() fails."
        )
        yield _Usage("ephemeral_ports", "ports", place, key, used, limit, ratio, left, exceeded, text)


def _find_bound(facts: Facts) -> Iterator[_Usage]:
    opened, waiting = Counter[str](), Counter[str]()  # of TCP, by network namespace
    for at, states in facts.services.items():
        if at.direction == OUTBOUND and at.protocol == "tcp":
            opened[at.netns] += sum(states.values())
            waiting[at.netns] += states.get("time_wait", 0)
    for (netns, protocol), bound in facts.by("netstat_ephemeral_ports_bound", ("protocol",)).items():
        limit = facts.get("netstat_ephemeral_ports", netns)
        if not limit:
            continue
        is_tcp = protocol == "tcp"
        used = max(0, bound - waiting[netns]) if is_tcp else bound
        is_shared = is_tcp and bound < opened[netns] / thresholds.SHARED_PORTS.value
        key, ratio = Key("netstat_ephemeral_ports_bound", netns, (protocol,)), used / limit
        exceeded = None if is_shared else first_exceeded(thresholds.BOUND, ratio)
        if is_tcp:
            pool, failing = "of one local address", "bind() to port 0"
        else:
            pool, failing = "of all addresses", "connect()"
        text = (
            f"{protocol} sockets hold {say_share(ratio)} of the ephemeral ports {pool}: "
            f"at 100 % {failing} fails."
        )
        place = At(netns, protocol)
        yield _Usage("bound_ports", "ports", place, key, used, limit, ratio, None, exceeded, text, now=bound)


def _find_queues(facts: Facts) -> Iterator[_Usage]:
    limits = facts.by_service("netstat_accept_queue_limit")
    fullest = facts.by_service("netstat_accept_queue_utilization_ratio", max)
    for at, waiting in facts.by_service("netstat_accept_queue_length").items():
        ratio, limit = fullest.get(at), limits.get(at)
        if ratio is None or limit is None or not waiting:
            continue
        exceeded = (
            first_exceeded(thresholds.QUEUE, ratio) if waiting >= thresholds.QUEUE_LEAST.value else None
        )
        owner = facts.find_listener(at) if exceeded else ""
        key = Key("netstat_accept_queue_length", at.netns, (at.protocol, at.port))
        text = (
            f"{say_count(waiting)} connections wait for accept(){f' of {owner}' * bool(owner)}, "
            f"{facts.describe(at)}: the queue of a listener is {say_share(ratio)} full."
        )
        place = at._replace(direction=INBOUND)
        yield _Usage("accept_queue", "connections", place, key, waiting, limit, ratio, None, exceeded, text)


def _find_files(facts: Facts) -> Iterator[_Usage]:
    limits = facts.by("netstat_owner_open_files_limit", ("owner",))
    for at, used in facts.by("netstat_owner_open_files", ("owner",)).items():
        netns, owner = at
        limit = limits.get(at)
        if not limit:
            continue
        key = Key("netstat_owner_open_files", netns, (owner,))
        ratio, left = used / limit, facts.time_left(key, used, limit)
        exceeded = _choose(
            (thresholds.FILES_OUT,), thresholds.FILES_FILLING, ratio, left, thresholds.FILES_SECONDS.value
        )
        where = f" in {netns}" if netns not in ("", owner) else ""
        text = f"A process of {owner}{where} has {say_count(used)} of {say_count(limit)} files open."
        yield _Usage("open_files", "files", At(netns), key, used, limit, ratio, left, exceeded, text, owner)


def _find_tables(facts: Facts) -> Iterator[_Usage]:
    """Yield what the whole host has one of."""
    tables = (
        (
            "time_wait",
            "connections",
            "netstat_time_wait_buckets",
            "netstat_time_wait_limit",
            thresholds.TIME_WAIT,
        ),
        (
            "orphans",
            "connections",
            "netstat_orphaned_sockets",
            "netstat_orphaned_sockets_limit",
            thresholds.ORPHANS,
        ),
        (
            "tcp_memory",
            "bytes",
            "netstat_tcp_memory_bytes",
            "netstat_tcp_memory_limit_bytes",
            thresholds.MEMORY,
        ),
    )
    texts = {
        "time_wait": "The kernel's table of TIME_WAIT is {} full.",
        "orphans": "There are {} of the orphaned connections that the kernel allows.",
        "tcp_memory": "TCP uses {} of the memory that the kernel allows it.",
    }
    for kind, unit, metric, limit_metric, threshold in tables:
        used, limit = facts.get(metric), facts.get(limit_metric)
        if used is None or not limit:
            continue
        ratio, exceeded = used / limit, first_exceeded((threshold,), used / limit)
        text = texts[kind].format(say_share(ratio))
        pressure = facts.get("netstat_tcp_memory_pressure_bytes")
        if kind == "tcp_memory" and not exceeded and pressure is not None and used > pressure:
            exceeded = threshold._replace(severity=WARNING)
            text = f"TCP uses {say_bytes(used)}, so much that the kernel shrinks the buffers of connections."
        if kind == "tcp_memory" and exceeded:
            text += _say_holders(facts)
        yield _Usage(kind, unit, At(), Key(metric, ""), used, limit, ratio, None, exceeded, text)


def _say_holders(facts: Facts) -> str:
    """Return who holds most of TCP's memory, in words; empty where that is not known."""
    held = facts.by("netstat_owner_socket_memory_bytes", (*At._fields[1:], "owner"))
    most = nlargest(_MOST_HOLDERS, held, key=held.__getitem__)
    named = (f"{_say_holder(facts, At(*at), owner)} ({say_bytes(held[*at, owner])})" for *at, owner in most)
    return f" Most is held by {', '.join(named)}." if most else ""


def _say_holder(facts: Facts, at: At, owner: str) -> str:
    where = f"other {at.direction} ports" if at.is_other else facts.describe_port(at)
    return f"{where} of {_OWNER_WORDS.get(owner, owner)}"
