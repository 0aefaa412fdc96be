"""Say what of the page is measured by capabilities: names, HELP and labels."""

from typing import Final, NamedTuple

from exporter.sampling.snapshot import ListenerKey, OwnerKey, SocketKey


class Measured(NamedTuple):
    """A metric whose samples are in ``Snapshot.measures`` by its name without ``netstat_``."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


MEASURED: Final = (
    Measured(
        "netstat_stuck_sockets",
        "Sockets longer than stuck.after in a watched state, since the exporter first saw them in it.",
        SocketKey._fields,
    ),
    Measured(
        "netstat_oldest_socket_age_seconds",
        "Age of the socket longest in a watched state, since the exporter first saw it in that state.",
        SocketKey._fields,
    ),
    Measured(
        "netstat_exporter_stuck_sockets_unfollowed",
        "Sockets in watched states whose age is not known because there are more than stuck.limit.",
    ),
    Measured(
        "netstat_owner_sockets",
        "Sockets in watched states by the unit, container or program that owns them, told by the cgroup in "
        "sock_diag or by the files of processes.",
        OwnerKey._fields,
    ),
    Measured(
        "netstat_exporter_owner_sockets_unattributed", "Sockets in watched states whose owner is not known."
    ),
    Measured(
        "netstat_ephemeral_ports",
        "Ports that the kernel may choose for connections: ip_local_port_range less ip_local_reserved_ports.",
    ),
    Measured(
        "netstat_ephemeral_ports_busiest_destination",
        "Local ports in use from one source address to one destination address and this port, the most of "
        "any; only while the port has a tenth as many connections as there are ephemeral ports.",
        ListenerKey._fields,
    ),
    Measured(
        "netstat_time_wait_buckets",
        "Connections kept in TIME_WAIT or FIN_WAIT2 without a socket, tw of sockstat.",
    ),
    Measured("netstat_time_wait_limit", "How many of them there may be, tcp_max_tw_buckets."),
    Measured(
        "netstat_time_wait_overflows_total",
        "Connections that were not kept in TIME_WAIT because there were too many, TCPTimeWaitOverflow.",
    ),
    Measured(
        "netstat_orphaned_sockets",
        "TCP sockets of the whole host that no process holds, orphan of sockstat.",
    ),
    Measured("netstat_orphaned_sockets_limit", "How many of them there may be, tcp_max_orphans."),
    Measured("netstat_tcp_memory_bytes", "Memory of the whole host's TCP sockets, mem of sockstat."),
    Measured("netstat_tcp_memory_pressure_bytes", "From where on TCP saves memory, tcp_mem."),
    Measured("netstat_tcp_memory_limit_bytes", "How much there may be, tcp_mem."),
    Measured(
        "netstat_memory_aborts_total",
        "Connections closed because TCP had too much memory or too many orphans, TCPAbortOnMemory.",
    ),
    Measured(
        "netstat_listen_overflows_total",
        "Connections that found a listener's accept queue full, ListenOverflows.",
    ),
    Measured(
        "netstat_listen_drops_total",
        "Connections that listeners dropped for any reason, a full accept queue included, ListenDrops.",
    ),
    Measured(
        "netstat_udp_drops_total",
        "Datagrams dropped by UDP sockets, for want of room in their receive buffers or by a wrong checksum, "
        "since the second pass.",
        ListenerKey._fields,
    ),
    Measured(
        "netstat_sockets_peak",
        "The highest count of netstat_sockets at any pass of the last while, peaks.window.",
        SocketKey._fields,
    ),
)
