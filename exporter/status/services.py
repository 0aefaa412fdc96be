"""List the services with their sockets by state, the other network namespaces, and what is in ``other``."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from exporter.sampling.labels import OTHER
from exporter.status import thresholds
from exporter.status.facts import CLOSE_WAIT, INBOUND, At, Facts, Row
from exporter.status.history import Key
from exporter.status.model import FoldedPort, Namespace, Other, Problem, Service
from exporter.status.quantities import say_count
from exporter.status.severity import OK, rank

_SYN_RECV = "syn_recv"


def find_services(facts: Facts) -> list[Row[Service]]:
    """Return all services with sockets, the busiest first."""
    waiting = facts.by_service("netstat_accept_queue_length")
    limits = facts.by_service("netstat_accept_queue_limit")
    unread = facts.by_service("netstat_receive_queue_bytes")
    unsent = facts.by_service("netstat_send_queue_bytes")
    owners, exposures = _find_listeners(facts, "owner"), _find_listeners(facts, "exposure")
    services = []
    for at, states in facts.services.items():
        sockets = sum(states.values())
        if not sockets:
            continue
        listening = At(at.netns, at.protocol, "", at.port) if at.direction == INBOUND else None
        queue_limit = limits.get(listening) if listening else None
        service = Service(
            sockets=sockets,
            states=states,
            owners=owners.get(listening, ()) if listening else (),
            exposure=exposures.get(listening, ()) if listening else (),
            accept_queue=_whole(waiting.get(listening) if listening else None),
            accept_queue_limit=_whole(queue_limit),
            receive_queue_bytes=_whole(unread.get(at)),
            send_queue_bytes=_whole(unsent.get(at)),
            **facts.place(at),
        )
        unfinished = list(_find_unfinished(facts, at, states.get(_SYN_RECV, 0), queue_limit))
        services.append(Row(service, Key("netstat_sockets", at.netns, at[1:]), unfinished))
    services.sort(key=lambda row: (-row.shown.sockets, row.key))
    return services


def _find_unfinished(facts: Facts, at: At, number: int, queue_limit: float | None) -> Iterator[Problem]:
    """Yield what NetstatSynRecvPileUp makes of so many handshakes."""
    is_many = bool(queue_limit) and number > thresholds.SYN_RECV_SHARE.value * (queue_limit or 0)
    if is_many and not at.is_other and thresholds.SYN_RECV.is_exceeded(number):
        text = f"{say_count(number)} handshakes, {facts.describe(at)}, are not completed."
        yield facts.blame(thresholds.SYN_RECV, at, text)


def find_namespaces(facts: Facts, problems: Collection[Problem]) -> list[Row[Namespace]]:
    """Return the other network namespaces, the worst first; ``problems`` are those of everything."""
    severities: dict[str, str] = {}
    for problem in problems:
        severities[problem.netns] = max(severities.get(problem.netns, OK), problem.severity, key=rank)
    stuck = facts.by("netstat_stuck_sockets", (), state=CLOSE_WAIT)
    sockets, states = Counter[str](), dict[str, Counter[str]]()
    for at, found in facts.services.items():
        sockets[at.netns] += sum(found.values())
        if at.protocol == "tcp":
            states.setdefault(at.netns, Counter()).update(found)
    namespaces = [
        Row(
            Namespace(
                **labels._asdict(),
                severity=severities.get(labels.netns, OK),
                sockets=sockets[labels.netns],
                states=+states.get(labels.netns, Counter()),
                stuck=_whole(stuck.get((labels.netns,))),
            ),
            Key("netstat_sockets", labels.netns),
        )
        for labels, _ in facts.spaces
        if labels.netns
    ]
    namespaces.sort(key=lambda row: (-rank(row.shown.severity), -(row.shown.stuck or 0), -row.shown.sockets))
    return namespaces


def describe_other(facts: Facts) -> Other:
    """Return what of the host is counted with the port ``other``."""
    sockets = facts.by("netstat_sockets", (), port=OTHER).get(("",), 0)
    return Other(
        sockets=int(sockets),
        ports_over_limit=_whole(facts.get("netstat_exporter_ports_folded")),
        sockets_over_limit=_whole(facts.get("netstat_exporter_sockets_folded")),
        limit=facts.settings.ports.limit,
        ports=tuple(
            FoldedPort(
                direction=each.direction,
                port=str(each.port),
                sockets=each.sockets,
                reason="limit" if each.is_over_limit else "unnamed",
            )
            for each in facts.snapshot.folded
        ),
    )


def _find_listeners(facts: Facts, label: str) -> Mapping[At, tuple[str, ...]]:
    """Return the values of a label of listeners, by service without its direction."""
    found: dict[At, set[str]] = {}
    for netns, protocol, port, text in facts.by("netstat_listener_info", ("protocol", "port", label)):
        found.setdefault(At(netns, protocol, "", port), set()).add(text)
    return {at: tuple(sorted(texts)) for at, texts in found.items()}


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
