"""Make the snapshot of a large host: a hundred busy ports and two hundred pods, one in ten of which leaks."""

from collections.abc import Mapping
from dataclasses import replace

from exporter.sampling.labels import (
    IdleKey,
    ListenerInfoKey,
    ListenerKey,
    NamespaceLabels,
    OwnerKey,
    QueueKey,
    Samples,
    SocketKey,
    UnansweredKey,
)
from exporter.sampling.snapshot import Snapshot
from tests.support.status.snapshots import make_snapshot

PORTS, PODS = 100, 200
SIZE_OF_CROWD = f"{PORTS} ports and {PODS} pods"
STATES = ("established", "close_wait", "time_wait", "syn_recv", "listen")


def make_crowd(at: float = 0.0, times: float = 1) -> Snapshot:
    """Return a snapshot with many leaks and many pods, all of them a little different."""
    found: dict[tuple[str, ...], float] = {
        SocketKey("tcp", family, state, direction, str(7000 + port), f"service-{port}"): (port * place + at)
        % 97
        for family in ("ipv4", "ipv6")
        for port in range(int(times * PORTS))
        for direction in ("inbound", "outbound")
        for place, state in enumerate(STATES, start=3)
    }
    leaks = {key: value for key, value in found.items() if key[2] == "close_wait"}
    owned: Samples = {
        OwnerKey("tcp", "close_wait", key[3], key[4], key[5], f"unit-{number % 50}.service"): value
        for number, (key, value) in enumerate(leaks.items())
    }
    files: Samples = {(f"unit-{number}.service",): 100 + at + number for number in range(50)}
    pods: dict[NamespaceLabels, dict[str, Samples]] = {}
    for number in range(int(times * PODS)):
        labels = NamespaceLabels(f"shop/web-{number}", "shop", f"web-{number}")
        inside: Samples = {
            SocketKey("tcp", "ipv4", state, "inbound", port, "http-alt"): (number * place + at) % 89
            if state != "close_wait" or number % 10 == 0
            else 0
            for port in ("8080", "9090", "15001")
            for place, state in enumerate(STATES, start=3)
        }
        stuck = {key: value for key, value in inside.items() if key[2] == "close_wait" and value}
        pods[labels] = {"netstat_sockets": inside, "netstat_stuck_sockets": stuck}
    return make_snapshot(
        {
            "netstat_sockets": found,
            "netstat_stuck_sockets": leaks,
            "netstat_oldest_socket_age_seconds": dict.fromkeys(leaks, 60.0 + at),
            "netstat_owner_sockets": owned,
            "netstat_owner_open_files": files,
            "netstat_owner_open_files_limit": dict.fromkeys(files, 1024),
        },
        at,
        pods,
    )


def make_troubled_crowd(at: float = 0.0, times: float = 1) -> Snapshot:
    """Return the same with every other trouble at every port and in every pod, too."""
    crowd = make_crowd(at, times)
    return replace(
        crowd,
        samples={**crowd.samples, **_make_troubles(crowd.samples["netstat_sockets"], at)},
        namespaces=tuple(
            replace(pod, samples={**pod.samples, **_make_troubles(pod.samples["netstat_sockets"], at)})
            for pod in crowd.namespaces
        ),
    )


def _make_troubles(sockets: Samples, at: float) -> Mapping[str, Samples]:
    services = {(protocol, "ipv4", *service) for protocol, _, _, *service in sockets}
    queues = [QueueKey(*service) for service in services]
    listeners = [ListenerKey(*key[:2], *key[3:]) for key in queues if key.direction == "inbound"]
    return {
        "netstat_receive_queue_bytes": dict.fromkeys(queues, 4096.0),
        "netstat_send_queue_bytes": dict.fromkeys(queues, 100.0),
        "netstat_accept_queue_length": dict.fromkeys(listeners, 9.0),
        "netstat_accept_queue_limit": dict.fromkeys(listeners, 8.0),
        "netstat_accept_queue_utilization_ratio": dict.fromkeys(listeners, 1.0),
        "netstat_listener_info": {
            ListenerInfoKey(*key, "any", f"unit-{key.port}.service"): 1.0 for key in listeners
        },
        "netstat_listener_drops_total": dict.fromkeys(listeners, 1 + 9 * at),
        "netstat_udp_drops_total": dict.fromkeys(listeners, 1 + 8 * at),
        "netstat_unanswered_sockets": {UnansweredKey(*key, "established", "data"): 60.0 for key in queues},
        "netstat_idle_sockets": {IdleKey(*key, "no"): 5.0 for key in queues},
        "netstat_ephemeral_ports": {(): 28232.0},
        "netstat_ephemeral_ports_bound": {("tcp",): 900.0},
        "netstat_ephemeral_ports_busiest_destination": dict.fromkeys(listeners, 25000.0),
        "netstat_listen_overflows_total": {(): 1 + 7 * at},
        "netstat_time_wait_overflows_total": {(): 1 + 6 * at},
        "netstat_memory_aborts_total": {(): 1 + 5 * at},
        "netstat_time_wait_buckets": {(): 100.0},
        "netstat_time_wait_limit": {(): 1000.0},
    }
