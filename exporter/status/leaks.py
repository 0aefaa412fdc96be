"""Find who leaks: sockets in CLOSE_WAIT, which stay until a process here closes them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from exporter.status import thresholds
from exporter.status.facts import CLOSE_WAIT, ESTABLISHED, At, Facts, Row, sort_rows
from exporter.status.history import Key
from exporter.status.model import History, Leak, LeakOwner, Problem
from exporter.status.names import name_owner
from exporter.status.quantities import say_duration
from exporter.status.severity import CRITICAL, OK, WARNING, rank

_HOUR_SECONDS = 3600.0


def find_leaks(facts: Facts) -> list[Row[Leak]]:
    """Return the services with sockets in CLOSE_WAIT, the worst first."""
    stuck = facts.by_service("netstat_stuck_sockets", state=CLOSE_WAIT)
    oldest = facts.by_service("netstat_oldest_socket_age_seconds", max, state=CLOSE_WAIT)
    established = facts.count(ESTABLISHED)
    owners = _find_owners(facts)
    leaks: list[Row[Leak]] = []
    for at, sockets in facts.count(CLOSE_WAIT).items():
        if not sockets:
            continue
        now = stuck.get(at)
        key = Key("netstat_stuck_sockets", at.netns, (at.protocol, CLOSE_WAIT, at.direction, at.port))
        growth = facts.growth(key, now)
        found = owners.get(at, ())
        severity = _judge(at, now, established.get(at, 0), growth, found)
        leak = Leak(
            severity=severity,
            sockets=int(sockets),
            stuck=None if now is None else int(now),
            oldest_seconds=oldest.get(at),
            growth_per_hour=None if growth is None else growth * _HOUR_SECONDS,
            owners=tuple(found),
            left_seconds=min(
                [each.left_seconds for each in found if each.left_seconds is not None], default=None
            ),
            **facts.place(at),
        )
        order = (-rank(severity), -(now or 0), -sockets)
        problems = list(_find_problems(facts, at, leak))
        leaks.append(Row(order, key, now, partial(_add_history, leak), problems))
    return sort_rows(leaks)


def _add_history(leak: Leak, history: History = ()) -> Leak:
    return replace(leak, history=history) if history else leak


def _find_owners(facts: Facts) -> Mapping[At, Sequence[LeakOwner]]:
    """Return the owners of sockets in CLOSE_WAIT by service, most sockets first."""
    labels = ("protocol", "direction", "port", "owner")
    found: dict[At, list[LeakOwner]] = {}
    for (*place, owner), sockets in facts.by("netstat_owner_sockets", labels, state=CLOSE_WAIT).items():
        if sockets:
            found.setdefault(At(*place), []).append(_describe_owner(facts, place[0], owner, int(sockets)))
    return {at: sorted(each, key=lambda one: (-one.sockets, one.owner)) for at, each in found.items()}


def _describe_owner(facts: Facts, netns: str, owner: str, sockets: int) -> LeakOwner:
    used = facts.get("netstat_owner_open_files", netns, (owner,))
    limit = facts.get("netstat_owner_open_files_limit", netns, (owner,))
    if used is None or limit is None:
        return LeakOwner(owner=owner, sockets=sockets)
    left_seconds = facts.time_left(Key("netstat_owner_open_files", netns, (owner,)), used, limit)
    return LeakOwner(
        owner=owner,
        sockets=sockets,
        open_files=int(used),
        open_files_limit=int(limit),
        left_seconds=left_seconds,
    )


def _judge(
    at: At, stuck: float | None, established: float, growth: float | None, owners: Sequence[LeakOwner]
) -> str:
    """Return what NetstatCloseWaitLeak makes of a leak."""
    if stuck is None or at.is_other or not thresholds.LEAK.is_exceeded(stuck):
        return OK
    if stuck <= thresholds.LEAK_SHARE.value * established:
        return OK
    large = [each for each in owners if thresholds.LEAK_OF_OWNER.is_exceeded(each.sockets)]
    if any(map(_runs_out, large)):
        return CRITICAL
    share, most = thresholds.LEAK_GROWTH.value, thresholds.LEAK_GROWTH_SOCKETS.value
    is_known = any(each.open_files_limit is not None for each in large)
    grows = growth is not None and growth * _HOUR_SECONDS > min(share * stuck, most)
    return CRITICAL if not is_known and grows and thresholds.LEAK_LARGE.is_exceeded(stuck) else WARNING


def _runs_out(owner: LeakOwner) -> bool:
    if not owner.open_files_limit or owner.open_files is None:
        return False
    is_full = thresholds.LEAK_FILES.is_exceeded(owner.open_files / owner.open_files_limit)
    return is_full or (
        owner.left_seconds is not None and owner.left_seconds <= thresholds.FILES_SECONDS.value
    )


def _find_problems(facts: Facts, at: At, leak: Leak) -> Iterator[Problem]:
    if leak.severity != OK:
        threshold = thresholds.LEAK if leak.severity == WARNING else thresholds.LEAK_OF_OWNER
        text = " ".join(_sentences(facts, at, leak))
        yield facts.blame(threshold, at, text, name_owner(leak))


def _sentences(facts: Facts, at: At, leak: Leak) -> Iterator[str]:
    age = "" if leak.oldest_seconds is None else f", the oldest for {say_duration(leak.oldest_seconds)}"
    owner = name_owner(leak)
    where = facts.describe_port(at) if at.netns == owner else facts.describe(at)
    yield (
        f"{owner} does not close connections: {leak.stuck:,} sockets, {where}, are stuck in CLOSE_WAIT{age}."
    )
    if leak.left_seconds is not None:
        yield f"At the present growth it runs out of file descriptors in {say_duration(leak.left_seconds)}."
