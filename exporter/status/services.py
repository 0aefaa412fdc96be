"""List the services with their sockets by state, the other network namespaces, and what is in ``other``."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from exporter.status import thresholds
from exporter.status.facts import CLOSE_WAIT, INBOUND, At, Facts, Row, sort_rows
from exporter.status.history import Key
from exporter.status.model import FoldedPort, History, Namespace, Other, Problem, Service
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

    def make(at: At, sockets: int, states: Mapping[str, int], history: History = ()) -> Service:
        listening = _at_listener(at)
        return Service(
            sockets=sockets,
            states=states,
            owners=owners.get(listening, ()) if listening else (),
            exposure=exposures.get(listening, ()) if listening else (),
            accept_queue=_whole(waiting.get(listening) if listening else None),
            accept_queue_limit=_whole(limits.get(listening) if listening else None),
            receive_queue_bytes=_whole(unread.get(at)),
            send_queue_bytes=_whole(unsent.get(at)),
            history=history,
            **facts.place(at),
        )

    return sort_rows(
        [
            Row(
                (-sockets,),
                Key("netstat_sockets", at.netns, at[1:]),
                sockets,
                partial(make, at, sockets, states),
                _find_unfinished(facts, at, states, limits) if _SYN_RECV in states else (),
            )
            for at, states in facts.services.items()
            if (sockets := facts.sockets[at])
        ]
    )


def _find_unfinished(
    facts: Facts, at: At, states: Mapping[str, int], limits: Mapping[At, float]
) -> Sequence[Problem]:
    """Return what NetstatSynRecvPileUp makes of the handshakes of a service."""
    number = states[_SYN_RECV]
    if at.is_other or not thresholds.SYN_RECV.is_exceeded(number):
        return ()
    listening = _at_listener(at)
    queue_limit = limits.get(listening) if listening else None
    if not queue_limit or number <= thresholds.SYN_RECV_SHARE.value * queue_limit:
        return ()
    text = f"{say_count(number)} handshakes, {facts.describe(at)}, are not completed."
    return [facts.blame(thresholds.SYN_RECV, at, text)]


def _at_listener(at: At) -> At | None:
    """Return the place at which a service listens, as ``by_service`` has it; None if it does not."""
    netns, protocol, direction, port = at
    return At(netns, protocol, "", port) if direction == INBOUND else None


def find_namespaces(facts: Facts, problems: Collection[Problem]) -> list[Row[Namespace]]:
    """Return the other network namespaces, the worst first; ``problems`` are those of everything."""
    severities: dict[str, str] = {}
    for problem in problems:
        severities[problem.netns] = max(severities.get(problem.netns, OK), problem.severity, key=rank)
    stuck = facts.by("netstat_stuck_sockets", (), state=CLOSE_WAIT)
    sockets, states = Counter[str](), defaultdict[str, dict[str, int]](dict)
    for at, found in facts.services.items():
        netns, protocol, _, _ = at
        sockets[netns] += facts.sockets[at]
        if netns and protocol == "tcp":
            of_namespace = states[netns]
            for state, number in found.items():
                if number:
                    of_namespace[state] = of_namespace.get(state, 0) + number
    namespaces: list[Row[Namespace]] = []
    for labels, _ in facts.spaces[1:]:  # behind the host's own
        netns = labels.netns
        severity, number, of_stuck = severities.get(netns, OK), sockets[netns], stuck.get((netns,))
        make = partial(
            Namespace,
            **labels._asdict(),
            severity=severity,
            sockets=number,
            states=states[netns],
            stuck=_whole(of_stuck),
        )
        order = (-rank(severity), -(of_stuck or 0), -number)
        now = number if netns in sockets else None
        namespaces.append(Row(order, Key("netstat_sockets", netns), now, make))
    return sort_rows(namespaces)


def describe_other(facts: Facts) -> Other:
    """Return what of the host is counted with the port ``other``."""
    return Other(
        sockets=sum(number for at, number in facts.sockets.items() if at.is_other and not at.netns),
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
