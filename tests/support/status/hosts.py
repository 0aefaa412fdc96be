"""The status of a made-up host that has something of everything, as a terminal shows it."""

from exporter.sampling.labels import (
    ListenerInfoKey,
    ListenerKey,
    NamespaceLabels,
    OwnerKey,
    QueueKey,
    Samples,
)
from exporter.status.model import Status
from tests.support.status.snapshots import make_snapshot, sockets, status_of

SHOP = "shop.service"
POD = NamespaceLabels("shop/web-7c9d", "shop", "web-7c9d")


def leaky_host(owner: str = SHOP) -> Status:
    """Return the status of a host whose service on 8080 leaks, with a pod that leaks to redis."""
    samples: dict[str, Samples] = {
        "netstat_sockets": {
            **sockets("close_wait", 936),
            **sockets("established", 88),
            **sockets("listen", 1),
            **sockets("established", 212, "5432", "outbound"),
            **sockets("time_wait", 21412, "5432", "outbound"),
        },
        "netstat_stuck_sockets": sockets("close_wait", 933),
        "netstat_oldest_socket_age_seconds": sockets("close_wait", 241),
        "netstat_owner_sockets": {OwnerKey("tcp", "close_wait", "inbound", "8080", "name-8080", owner): 936},
        "netstat_owner_open_files": {(owner,): 968},
        "netstat_owner_open_files_limit": {(owner,): 1024},
        "netstat_listener_info": {
            ListenerInfoKey("tcp", "ipv4", "8080", "name-8080", "any", owner): 1,
        },
        "netstat_accept_queue_length": {ListenerKey("tcp", "ipv4", "8080", "name-8080"): 3},
        "netstat_accept_queue_limit": {ListenerKey("tcp", "ipv4", "8080", "name-8080"): 128},
        "netstat_receive_queue_bytes": {QueueKey("tcp", "ipv4", "inbound", "8080", "name-8080"): 41984},
        "netstat_time_wait_buckets": {(): 21412},
        "netstat_time_wait_limit": {(): 131072},
    }
    pod: dict[str, Samples] = {
        "netstat_sockets": sockets("close_wait", 12, "6379", "outbound"),
        "netstat_owner_sockets": {OwnerKey("tcp", "close_wait", "outbound", "6379", "name-6379", "web"): 12},
    }
    return status_of(make_snapshot(samples, pods={POD: pod}))
