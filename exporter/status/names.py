"""Name things for people: what runs out, what was dropped, and whose a leak is."""

from collections.abc import Mapping
from typing import Final

from exporter.sampling.labels import UNKNOWN_OWNER
from exporter.status.model import Leak, Place

KINDS: Final[Mapping[str, str]] = {
    "ephemeral_ports": "Ephemeral ports, one destination",
    "bound_ports": "Ephemeral ports, bound",
    "time_wait": "TIME_WAIT table",
    "accept_queue": "Accept queue",
    "open_files": "Open files",
    "tcp_memory": "TCP memory",
    "orphans": "Orphaned connections",
    "listen_overflows": "Accept queue overflows",
    "listener_drops": "Connections dropped by listeners",
    "udp_drops": "Datagrams dropped",
    "time_wait_overflows": "TIME_WAIT cut short",
    "memory_aborts": "Aborts on memory",
    "syn_queue_drops": "Handshakes dropped",
    "syn_cookies": "SYN cookies sent",
}
"""What the kinds of resources and losses are called."""


def name_owner(leak: Leak) -> str:
    """Return whose leak it is: a pod by its name, else the owner of most of its sockets."""
    if leak.pod:
        return leak.netns
    return leak.owners[0].owner if leak.owners else leak.netns or UNKNOWN_OWNER


def name_port(place: Place) -> str:
    """Return a port with its name, such as ``443 (https)``; empty without a port."""
    return place.port if place.port_name in ("", place.port) else f"{place.port} ({place.port_name})"
