"""Make the snapshot of a large host: a hundred busy ports and two hundred pods, one in ten of which leaks."""

from exporter.sampling.labels import NamespaceLabels, OwnerKey, Samples, SocketKey
from exporter.sampling.snapshot import Snapshot
from tests.support.status.snapshots import make_snapshot

PORTS, PODS = 100, 200
STATES = ("established", "close_wait", "time_wait", "syn_recv", "listen")


def make_crowd(at: float = 0.0) -> Snapshot:
    """Return a snapshot with everything that a page may have much of, all of it a little different."""
    found: dict[tuple[str, ...], float] = {
        SocketKey("tcp", family, state, direction, str(7000 + port), f"service-{port}"): (port * place + at)
        % 97
        for family in ("ipv4", "ipv6")
        for port in range(PORTS)
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
    for number in range(PODS):
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
