"""A status says who leaks, what runs out and what else is wrong, by the numbers of the alerts."""

from dataclasses import replace

import pytest

from exporter.config.settings import Ports, Settings
from exporter.sampling.labels import (
    IdleKey,
    ListenerInfoKey,
    ListenerKey,
    NamespaceLabels,
    OwnerKey,
    OwnerMemoryKey,
    QueueKey,
    Samples,
    SocketKey,
    UnansweredKey,
)
from exporter.sampling.snapshot import CollectorStatus, FoldedPort, Snapshot, TableStatus
from exporter.status.model import FoldedPort as ShownPort
from exporter.status.severity import CRITICAL, OK, WARNING
from tests.support.status.crowd import make_troubled_crowd
from tests.support.status.snapshots import CONTEXT, alerts_of, make_snapshot, sockets, status_of

SHOP = "shop.service"
LEAK = {"netstat_sockets": {**sockets("close_wait", 30), **sockets("established", 100)}}
LISTENER = ListenerKey("tcp", "ipv4", "8080", "name-8080")


def leak(stuck: float, files: float | None = None, at: float = 0.0, established: float = 100) -> Snapshot:
    """Return a snapshot of a host with so many stuck sockets of one owner, who has so many files open."""
    samples: dict[str, Samples] = {
        "netstat_sockets": {**sockets("close_wait", stuck), **sockets("established", established)},
        "netstat_stuck_sockets": sockets("close_wait", stuck),
        "netstat_oldest_socket_age_seconds": sockets("close_wait", 241),
        "netstat_owner_sockets": {OwnerKey("tcp", "close_wait", "inbound", "8080", "name-8080", SHOP): stuck},
    }
    if files is not None:
        samples["netstat_owner_open_files"] = {(SHOP,): files}
        samples["netstat_owner_open_files_limit"] = {(SHOP,): 1024}
    return make_snapshot(samples, at)


def test_a_leak_has_its_service_owner_age_and_files() -> None:
    status = status_of(leak(30, files=100))
    (found,) = status.leaks
    assert (found.direction, found.port, found.port_name) == ("inbound", "8080", "name-8080")
    assert (found.sockets, found.stuck, found.oldest_seconds, found.severity) == (30, 30, 241, WARNING)
    (owner,) = found.owners
    assert (owner.owner, owner.sockets, owner.open_files, owner.open_files_limit) == (SHOP, 30, 100, 1024)
    (problem,) = status.problems
    assert problem.text == (
        "shop.service does not close connections: 30 sockets, inbound tcp port 8080 (name-8080), "
        "are stuck in CLOSE_WAIT, the oldest for 4m 1s."
    )
    assert problem.runbook.endswith("/docs/runbooks/NetstatCloseWaitLeak.md")
    assert status.severity == WARNING


def test_the_time_left_is_that_of_the_growth() -> None:
    """20 more files a minute: of 1,024 files 824 are left at the end, so 41 minutes."""
    status = status_of(*(leak(20 + 20 * n, files=20 * n, at=60 * n) for n in range(11)))
    (found,) = status.leaks
    assert found.left_seconds == pytest.approx(824 * 3, rel=0.01)
    assert found.growth_per_hour == pytest.approx(1200, rel=0.01)
    assert found.severity == CRITICAL
    assert status.problems[0].text.endswith(
        "At the present growth it runs out of file descriptors in 41m 12s."
    )
    assert found.history == tuple(20 + 20 * n for n in range(11))


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        (leak(20), OK),
        (leak(21), WARNING),
        (leak(21, established=2100), OK),  # a proxy always has some
        (leak(21, files=820), CRITICAL),
        (leak(501), WARNING),  # does not grow
    ],
)
def test_a_leak_is_as_bad_as_its_alert(snapshot: Snapshot, expected: str) -> None:
    assert [each.severity for each in status_of(snapshot).leaks] == [expected]


def test_a_large_leak_that_grows_is_critical_where_no_limit_is_known() -> None:
    status = status_of(*(leak(600 + 60 * n, at=60 * n) for n in range(5)))
    assert alerts_of(status) == [("NetstatCloseWaitLeak", CRITICAL)]


def test_a_leak_without_ages_is_shown_and_not_judged() -> None:
    status = status_of(make_snapshot(LEAK))
    assert [(each.sockets, each.stuck, each.severity) for each in status.leaks] == [(30, None, OK)]
    assert status.problems == ()


def test_a_leak_in_a_pod_has_the_pod() -> None:
    pod = NamespaceLabels("shop/web-7c9d", "shop", "web-7c9d")
    samples = {
        "netstat_sockets": sockets("close_wait", 25),
        "netstat_stuck_sockets": sockets("close_wait", 25),
    }
    status = status_of(make_snapshot({}, pods={pod: samples}))
    (found,) = status.leaks
    assert (found.netns, found.namespace, found.pod) == pod
    assert status.problems[0].text.startswith(
        "shop/web-7c9d does not close connections: 25 sockets, inbound tcp port 8080 (name-8080), are stuck"
    )
    (namespace,) = status.namespaces
    assert (namespace.pod, namespace.stuck, namespace.severity) == ("web-7c9d", 25, WARNING)
    assert namespace.states == {"close_wait": 25}


def test_a_leak_in_a_namespace_that_only_ip_netns_names_has_its_unit_and_the_namespace() -> None:
    samples: dict[str, Samples] = {
        "netstat_sockets": sockets("close_wait", 25),
        "netstat_stuck_sockets": sockets("close_wait", 25),
        "netstat_owner_sockets": {OwnerKey("tcp", "close_wait", "inbound", "8080", "name-8080", SHOP): 25},
    }
    status = status_of(make_snapshot({}, pods={NamespaceLabels("blue", "", ""): samples}))
    assert status.problems[0].text.startswith(
        f"{SHOP} does not close connections: 25 sockets, inbound tcp port 8080 (name-8080) of blue, are stuck"
    )


def test_a_queue_that_fills_is_that_of_who_listens() -> None:
    queue = ListenerKey("tcp", "ipv4", "8080", "name-8080")
    samples: dict[str, Samples] = {
        "netstat_sockets": sockets("listen", 1),
        "netstat_accept_queue_length": {queue: 5},
        "netstat_accept_queue_limit": {queue: 4},
        "netstat_accept_queue_utilization_ratio": {queue: 1.25},
        "netstat_listener_info": {
            ListenerInfoKey("tcp", "ipv4", "8080", "name-8080", "any", SHOP): 1,
            ListenerInfoKey("tcp", "ipv4", "443", "https", "any", "nginx.service"): 1,
        },
    }
    (problem,) = status_of(make_snapshot(samples)).problems
    assert problem.text.startswith(f"5 connections wait for accept() of {SHOP}, tcp port 8080 (name-8080): ")


def one(metric: str, value: float, labels: tuple[str, ...] = ()) -> dict[str, Samples]:
    """Return samples of one metric with one value."""
    return {metric: {labels: value}}


PORTS = one("netstat_ephemeral_ports", 1000)
DESTINATION = "netstat_ephemeral_ports_busiest_destination"
BOUND = "netstat_ephemeral_ports_bound"
TIME_WAIT = {"netstat_sockets": sockets("time_wait", 300, direction="outbound")}


@pytest.mark.parametrize(
    ("samples", "kind", "used", "alert", "severity"),
    [
        (PORTS | one(DESTINATION, 700, LISTENER), "ephemeral_ports", 700, None, OK),
        (
            PORTS | one(DESTINATION, 701, LISTENER),
            "ephemeral_ports",
            701,
            "EphemeralPortsRunningOut",
            WARNING,
        ),
        (
            PORTS | one(DESTINATION, 901, LISTENER),
            "ephemeral_ports",
            901,
            "EphemeralPortsRunningOut",
            CRITICAL,
        ),
        (PORTS | one(BOUND, 901, ("udp",)), "bound_ports", 901, "BoundPortsRunningOut", CRITICAL),
        (PORTS | one(BOUND, 901, ("tcp",)) | TIME_WAIT, "bound_ports", 601, None, OK),
        (
            one("netstat_time_wait_buckets", 81) | one("netstat_time_wait_limit", 100),
            "time_wait",
            81,
            "TimeWaitTableFilling",
            WARNING,
        ),
        (
            one("netstat_orphaned_sockets", 51) | one("netstat_orphaned_sockets_limit", 100),
            "orphans",
            51,
            "OrphansNearLimit",
            WARNING,
        ),
        (
            one("netstat_tcp_memory_bytes", 84)
            | one("netstat_tcp_memory_pressure_bytes", 66)
            | one("netstat_tcp_memory_limit_bytes", 100),
            "tcp_memory",
            84,
            "TcpMemoryPressure",
            CRITICAL,
        ),
        (
            one("netstat_tcp_memory_bytes", 67)
            | one("netstat_tcp_memory_pressure_bytes", 66)
            | one("netstat_tcp_memory_limit_bytes", 100),
            "tcp_memory",
            67,
            "TcpMemoryPressure",
            WARNING,
        ),
        (
            one("netstat_accept_queue_length", 5, LISTENER)
            | one("netstat_accept_queue_limit", 4, LISTENER)
            | one("netstat_accept_queue_utilization_ratio", 1.25, LISTENER),
            "accept_queue",
            5,
            "AcceptQueueFilling",
            CRITICAL,
        ),
        (
            one("netstat_accept_queue_length", 2, LISTENER)
            | one("netstat_accept_queue_limit", 2, LISTENER)
            | one("netstat_accept_queue_utilization_ratio", 1, LISTENER),
            "accept_queue",
            2,
            None,
            OK,
        ),
        (
            one("netstat_owner_open_files", 820, (SHOP,))
            | one("netstat_owner_open_files_limit", 1024, (SHOP,)),
            "open_files",
            820,
            "OpenFilesRunningOut",
            WARNING,
        ),
    ],
)
def test_what_runs_out_is_as_bad_as_its_alert(
    samples: dict[str, Samples], kind: str, used: float, alert: str | None, severity: str
) -> None:
    status = status_of(make_snapshot(samples))
    assert [(each.kind, each.used, each.severity) for each in status.resources] == [(kind, used, severity)]
    assert alerts_of(status) == ([(f"Netstat{alert}", severity)] if alert else [])


@pytest.mark.parametrize(("used", "blamed"), [(84, 1), (67, 1), (50, 0)])
def test_who_holds_the_memory_is_named_while_it_is_short(used: float, blamed: int) -> None:
    memory: dict[str, Samples] = {
        "netstat_owner_socket_memory_bytes": {
            OwnerMemoryKey("tcp", "outbound", "5432", "name-5432", SHOP): 7_600_000,
            OwnerMemoryKey("tcp", "inbound", "8080", "8080", "api.service"): 263_000,
            OwnerMemoryKey("tcp", "inbound", "8080", "8080", SHOP): 50,
            OwnerMemoryKey("tcp", "inbound", "22", "ssh", "ssh.service"): 20,
        },
        "netstat_tcp_memory_bytes": {(): used},
        "netstat_tcp_memory_pressure_bytes": {(): 66},
        "netstat_tcp_memory_limit_bytes": {(): 100},
        "netstat_sockets": sockets("established", 1, "5432", "outbound"),
    }
    holders = (
        f" Most is held by outbound tcp port 5432 (name-5432) of {SHOP} (7.2 MiB), "
        f"inbound tcp port 8080 of api.service (257 KiB), inbound tcp port 8080 of {SHOP} (50 B)."
    )
    texts = [problem.text for problem in status_of(make_snapshot(memory)).problems]
    assert len(texts) == blamed
    assert all(text.endswith(holders) for text in texts)


def test_memory_of_folded_ports_and_owners_is_named_so() -> None:
    memory: dict[str, Samples] = {
        "netstat_owner_socket_memory_bytes": {
            OwnerMemoryKey("tcp", "inbound", "other", "other", "other"): 3,
            OwnerMemoryKey("tcp", "outbound", "other", "other", SHOP): 2,
            OwnerMemoryKey("tcp", "inbound", "8080", "8080", "unknown"): 1,
        },
        "netstat_tcp_memory_bytes": {(): 84},
        "netstat_tcp_memory_limit_bytes": {(): 100},
    }
    (problem,) = status_of(make_snapshot(memory)).problems
    assert problem.text.endswith(
        f" Most is held by other inbound ports of other owners (3 B), other outbound ports of {SHOP} (2 B), "
        "inbound tcp port 8080 of unknown owners (1 B)."
    )


def test_shared_ports_are_not_bound_ones() -> None:
    """A load balancer has all ports in use, and can still connect to other destinations."""
    opened = {"netstat_sockets": sockets("established", 2000, direction="outbound")}
    status = status_of(make_snapshot(PORTS | one(BOUND, 990, ("tcp",)) | opened))
    assert [(each.ratio, each.severity) for each in status.resources] == [(0.99, OK)]


def test_files_that_fill_up_have_a_time_left() -> None:
    limit = one("netstat_owner_open_files_limit", 1000, (SHOP,))
    status = status_of(
        *(
            make_snapshot(limit | one("netstat_owner_open_files", 400 + n, (SHOP,)), 60.0 * n)
            for n in range(11)
        )
    )
    (files,) = status.resources
    assert files.left_seconds is not None
    assert files.left_seconds == pytest.approx(590 * 60, rel=0.01)
    assert alerts_of(status) == []  # in ten hours
    status = status_of(
        *(
            make_snapshot(limit | one("netstat_owner_open_files", 400 + 5 * n, (SHOP,)), 60.0 * n)
            for n in range(11)
        )
    )
    assert alerts_of(status) == [("NetstatOpenFilesFillingUp", WARNING)]


@pytest.mark.parametrize(
    ("metric", "labels", "alert"),
    [
        ("netstat_listen_overflows_total", (), "NetstatAcceptQueueOverflow"),
        ("netstat_time_wait_overflows_total", (), "NetstatTimeWaitOverflow"),
        ("netstat_memory_aborts_total", (), "NetstatMemoryAborts"),
        ("netstat_udp_drops_total", ("udp", "ipv4", "514", "syslog"), "NetstatUdpDrops"),
    ],
)
def test_losses_are_judged_by_their_rate(metric: str, labels: tuple[str, ...], alert: str) -> None:
    status = status_of(*(make_snapshot(one(metric, 200.0 * n, labels), 20.0 * n) for n in range(1, 5)))
    (loss,) = status.losses
    assert (loss.total, loss.per_second) == (800, 10)
    assert alerts_of(status) == [(alert, WARNING)]
    quiet = status_of(*(make_snapshot(one(metric, 200.0, labels), 20.0 * n) for n in range(4)))
    assert [(each.total, each.per_second) for each in quiet.losses] == [(200, 0)]
    assert alerts_of(quiet) == []


def test_who_drops_connections_is_named() -> None:
    def drop(number: float) -> dict[str, Samples]:
        queues = [ListenerKey("tcp", "ipv4", port, port) for port in ("443", "9000")]
        return {
            "netstat_listen_overflows_total": {(): 220 * number},
            "netstat_listener_drops_total": {queues[0]: 500 + 20 * number, queues[1]: 200 * number},
            "netstat_listener_info": {ListenerInfoKey("tcp", "ipv4", "9000", "9000", "any", SHOP): 1},
        }

    (problem,) = status_of(*(make_snapshot(drop(n), 20.0 * n) for n in range(1, 5))).problems
    assert problem.text == (
        f"11/s inbound connections are dropped, mostly at tcp port 9000 of {SHOP}, "
        "because an accept queue is full."
    )


@pytest.mark.parametrize(
    ("protocol", "what_fails"),
    [
        ("tcp", "of one local address: at 100 % bind() to port 0 fails."),
        ("udp", "of all addresses: at 100 % connect() fails."),
    ],
)
def test_udp_takes_a_port_of_all_addresses_and_tcp_of_one(protocol: str, what_fails: str) -> None:
    (problem,) = status_of(make_snapshot(PORTS | one(BOUND, 950, (protocol,)))).problems
    assert problem.text == f"{protocol} sockets hold 95.0 % of the ephemeral ports {what_fails}"


@pytest.mark.parametrize("direction", ["inbound", "outbound"])
def test_a_few_datagrams_that_are_lost_matter_where_the_queue_is_never_empty(direction: str) -> None:
    labels, queue = ("udp", "ipv4", "514", "syslog"), QueueKey("udp", "ipv4", direction, "514", "syslog")
    for unread, alerts in ((0, []), (512, [("NetstatUdpDrops", WARNING)])):
        samples = one("netstat_receive_queue_bytes", unread, queue)
        found = (
            make_snapshot(samples | one("netstat_udp_drops_total", n, labels), 20.0 * n) for n in range(5)
        )
        assert alerts_of(status_of(*found)) == alerts


@pytest.mark.parametrize(
    ("directions", "where"),
    [
        (["inbound"], "inbound udp port 1194"),
        (["outbound"], "outbound udp port 1194"),
        (["inbound", "outbound"], "udp port 1194"),
    ],
)
def test_dropped_datagrams_have_the_direction_of_the_sockets_at_the_port(
    directions: list[str], where: str
) -> None:
    """The counter of drops has no direction."""
    counted: Samples = {
        SocketKey("udp", "ipv4", "established", each, "1194", "1194"): 1 for each in directions
    }
    labels = ("udp", "ipv4", "1194", "1194")
    found = (
        make_snapshot(
            one("netstat_udp_drops_total", 200 * n, labels) | {"netstat_sockets": counted}, 20.0 * n
        )
        for n in range(5)
    )
    (problem,) = status_of(*found).problems
    assert problem.text.startswith(f"10/s datagrams are dropped, {where}, because")


def test_peers_that_do_not_answer_are_judged_by_direction() -> None:
    def silence(state: str, number: float, direction: str) -> dict[str, Samples]:
        waiting = "handshake" if state == "syn_sent" else "data"
        key = UnansweredKey("tcp", "ipv4", direction, "5432", "postgresql", state, waiting)
        established = sockets("established", 20, "5432", direction)
        return one("netstat_unanswered_sockets", number, key) | {"netstat_sockets": established}

    for state, number, direction, alert in (
        ("established", 5, "outbound", "NetstatPeersVanished"),
        ("established", 20, "inbound", None),
        ("established", 21, "inbound", "NetstatPeersVanished"),
        ("syn_sent", 5, "outbound", "NetstatConnectsUnanswered"),
        ("syn_sent", 4, "outbound", None),
    ):
        status = status_of(make_snapshot(silence(state, number, direction)))
        assert alerts_of(status) == ([(alert, WARNING)] if alert else [])
        assert [each.unanswered for each in status.silences] == [number]


def test_the_graph_of_who_does_not_answer_ends_with_a_measured_zero() -> None:
    """Idle connections keep the row, although every peer has answered."""
    key = UnansweredKey("tcp", "ipv4", "outbound", "5432", "postgresql", "established", "data")
    idle = one("netstat_idle_sockets", 3, IdleKey("tcp", "ipv4", "outbound", "5432", "postgresql", "yes"))
    numbers = (2, 1, 0)
    found = (
        make_snapshot(one("netstat_unanswered_sockets", number, key) | idle, 60.0 * n)
        for n, number in enumerate(numbers)
    )
    (silence,) = status_of(*found).silences
    assert silence.history == numbers


def test_idle_connections_are_shown_with_and_without_keepalive() -> None:
    found: Samples = {
        IdleKey("tcp", "ipv4", "outbound", "5432", "postgresql", "yes"): 3.0,
        IdleKey("tcp", "ipv4", "outbound", "5432", "postgresql", "no"): 2.0,
    }
    (silence,) = status_of(make_snapshot({"netstat_idle_sockets": found})).silences
    assert (silence.unanswered, silence.idle, silence.idle_without_keepalive) == (0, 5, 2)


def test_services_are_listed_busiest_first_with_what_is_known() -> None:
    samples: dict[str, Samples] = {
        "netstat_sockets": {
            **sockets("established", 5),
            **sockets("listen", 1),
            SocketKey("tcp", "ipv6", "established", "inbound", "8080", "name-8080"): 2,
            **sockets("time_wait", 50, "5432", "outbound"),
            **sockets("established", 0, "443"),
        },
        "netstat_listener_info": {ListenerInfoKey(*LISTENER, "any", SHOP): 1},
        "netstat_accept_queue_length": {LISTENER: 3},
        "netstat_accept_queue_limit": {LISTENER: 128},
        "netstat_send_queue_bytes": {QueueKey("tcp", "ipv4", "inbound", "8080", "name-8080"): 77},
    }
    status = status_of(make_snapshot(samples))
    assert [(each.port, each.sockets) for each in status.services] == [("5432", 50), ("8080", 8)]
    assert status.sockets == 58
    service = status.services[1]
    assert service.states == {"established": 7, "listen": 1}
    assert (service.owners, service.exposure) == ((SHOP,), ("any",))
    assert (service.accept_queue, service.accept_queue_limit) == (3, 128)
    assert (service.send_queue_bytes, service.receive_queue_bytes) == (77, None)


def test_handshakes_that_pile_up_are_a_problem() -> None:
    samples = {"netstat_sockets": sockets("syn_recv", 21)} | one("netstat_accept_queue_limit", 40, LISTENER)
    assert alerts_of(status_of(make_snapshot(samples))) == [("NetstatSynRecvPileUp", WARNING)]


def test_other_says_which_ports_and_why() -> None:
    snapshot = make_snapshot(
        {"netstat_sockets": sockets("established", 9, "other")}
        | one("netstat_exporter_ports_folded", 2)
        | one("netstat_exporter_sockets_folded", 8)
    )
    folded = (
        FoldedPort(15432, 5, is_over_limit=True),
        FoldedPort(9644, 1, is_over_limit=False, direction="outbound"),
    )
    context = replace(CONTEXT, settings=Settings(ports=Ports(limit=7)))
    other = status_of(replace(snapshot, folded=folded), context=context).other
    assert (other.sockets, other.ports_over_limit, other.sockets_over_limit, other.limit) == (9, 2, 8, 7)
    assert other.ports == (
        ShownPort(direction="", port="15432", sockets=5, reason="limit"),
        ShownPort(direction="outbound", port="9644", sockets=1, reason="unnamed"),
    )


def test_what_fails_is_shown_with_its_error_and_since_when() -> None:
    snapshot = replace(
        make_snapshot(one("netstat_exporter_sockstat_difference", -3, ("tcp", "ipv4"))),
        tables=(
            TableStatus("tcp", "netlink", 300, 0.004, ""),
            TableStatus("udp6", "procfs", 0, 0.001, "Permission denied", 61.0),
        ),
        collectors=(CollectorStatus("limits", 0.001, "no file", 0.0),),
    )
    status = status_of(snapshot)
    assert [(each.table, each.rows, each.difference, each.error) for each in status.tables] == [
        ("tcp", 300, -3, ""),
        ("udp6", None, None, "Permission denied"),
    ]
    assert [problem.text for problem in status.problems] == [
        "The kernel's table udp6 cannot be read for 1m 1s: Permission denied.",
        "The collector limits fails: no file.",
    ]


def test_problems_of_the_exporter_are_those_of_its_alerts() -> None:
    samples = one("netstat_exporter_untracked_sockets", 4) | {
        "netstat_exporter_network_namespaces": {("over_limit",): 3.0, ("read",): 5.0}
    }
    context = replace(CONTEXT, is_reloaded=False, age_seconds=111)
    assert sorted(alerts_of(status_of(make_snapshot(samples), context=context))) == [
        ("NetstatConfigReloadFailed", WARNING),
        ("NetstatNamespacesUnread", WARNING),
        ("NetstatSnapshotStale", WARNING),
        ("NetstatSocketsUntracked", WARNING),
    ]


def test_of_several_leaks_the_worst_comes_first() -> None:
    stuck = {
        **sockets("close_wait", 30, "1"),
        **sockets("close_wait", 90, "2"),
        **sockets("close_wait", 60, "3"),
    }
    status = status_of(make_snapshot({"netstat_sockets": stuck, "netstat_stuck_sockets": stuck}))
    assert (
        [problem.port for problem in status.problems]
        == ["2", "3", "1"]
        == [leak.port for leak in status.leaks]
    )


def test_files_of_a_pod_are_its_own() -> None:
    pod = NamespaceLabels("shop/web", "shop", "web")
    owner = OwnerKey("tcp", "close_wait", "inbound", "8080", "name-8080", "pod:1")
    inside: dict[str, Samples] = {
        "netstat_sockets": sockets("close_wait", 25),
        "netstat_owner_sockets": {owner: 25},
        "netstat_owner_open_files": {("pod:1",): 30},
        "netstat_owner_open_files_limit": {("pod:1",): 100},
    }
    (found,) = status_of(make_snapshot({}, pods={pod: inside})).leaks
    assert [(each.open_files, each.open_files_limit) for each in found.owners] == [(30, 100)]


def test_critical_problems_come_first() -> None:
    samples = PORTS | one(DESTINATION, 950, LISTENER) | dict(leak(30).samples)
    assert [severity for _, severity in alerts_of(status_of(make_snapshot(samples)))] == [CRITICAL, WARNING]


def test_the_configuration_is_as_it_is_written() -> None:
    settings = Settings(interval_seconds=90.5, ports=Ports(names={8443: "api gateway"}, always=(22, 443)))
    found = {
        each.key: each
        for each in status_of(make_snapshot({}), context=replace(CONTEXT, settings=settings)).configuration
    }
    assert (found["interval"].value, found["interval"].is_default) == ("1m30s500ms", False)
    assert (found["max_interval"].value, found["max_interval"].is_default) == ("30s", True)
    assert found["ports.names"].value == '{8443: "api gateway"}'
    assert found["ports.always"].value == "[22, 443]"
    assert found["limits.enabled"].value == "true"


def test_the_last_value_of_each_line_is_the_one_that_will_be_remembered() -> None:
    """Rows say their values themselves; the history takes them from the samples."""
    crowd = make_troubled_crowd(times=0.2)
    later = replace(crowd, taken_at_monotonic=crowd.taken_at_monotonic + 5)
    status = status_of(crowd, later)
    lists = {
        kind: [row.history for row in getattr(status, kind) if row.history]
        for kind in ("leaks", "resources", "losses", "silences", "services", "namespaces")
    }
    assert all(lists.values())
    for lines in lists.values():
        assert all(before == now is not None for before, now in lines)
