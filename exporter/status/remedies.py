"""Say what to do first about what is wrong, in a sentence or two; the runbook of the alert has the rest."""

from collections.abc import Mapping
from typing import Final

_MORE_TIME_WAIT: Final = "Raise net.ipv4.tcp_max_tw_buckets. Then let clients reuse their connections."
_REPAIR: Final = "Repair what the error says, mostly the unit or a mount, then restart the exporter."

REMEDIES: Final[Mapping[str, str]] = {
    "NetstatCloseWaitLeak": (
        "Restart the owner, which closes them all. If that has to wait, raise its limit of open files "
        "(prlimit). Then repair the code: a close() is missing."
    ),
    "NetstatOpenFilesRunningOut": (
        "Raise the limit of the running process (prlimit), then find out what it does not close."
    ),
    "NetstatOpenFilesFillingUp": (
        "Restart the process in a quiet hour before no file is left, and find out what it does not close."
    ),
    "NetstatEphemeralPortsRunningOut": (
        "Set net.ipv4.tcp_tw_reuse to 1 and widen net.ipv4.ip_local_port_range. Then let the client reuse "
        "its connections."
    ),
    "NetstatEphemeralPortsFillingUp": (
        "Find out what changed, and let the client reuse its connections. To gain time, set "
        "net.ipv4.tcp_tw_reuse to 1 and widen net.ipv4.ip_local_port_range."
    ),
    "NetstatBoundPortsRunningOut": (
        "Reserve the ports that services listen on (net.ipv4.ip_local_reserved_ports). Then widen "
        "net.ipv4.ip_local_port_range."
    ),
    "NetstatTimeWaitTableFilling": _MORE_TIME_WAIT,
    "NetstatTimeWaitOverflow": _MORE_TIME_WAIT,
    "NetstatAcceptQueueFilling": (
        "See what the program waits for. A backend: repair that. It hangs: keep a stack trace, then restart "
        "it. Plain load: add workers or instances."
    ),
    "NetstatAcceptQueueOverflow": (
        "A queue that is always full: the program does not accept. Full in bursts: raise its backlog and "
        "net.core.somaxconn."
    ),
    "NetstatSynRecvPileUp": (
        "Look for a full accept queue, for loss, and for a flood: net.ipv4.tcp_syncookies has to be 1."
    ),
    "NetstatOrphansNearLimit": (
        "Orphaned connections end when the kernel gives up, sooner with net.ipv4.tcp_orphan_retries=3. Set "
        "that, or raise net.ipv4.tcp_max_orphans."
    ),
    "NetstatTcpMemoryPressure": (
        "Find the process that does not read, keep a stack trace and restart it: this frees its "
        "buffers at once."
    ),
    "NetstatMemoryAborts": (
        "Raise the third number of net.ipv4.tcp_mem if the host has free memory, and find out who fills the "
        "buffers."
    ),
    "NetstatUdpDrops": (
        "The program is too slow: add workers or instances. It does not read: restart it. Bursts: raise "
        "net.core.rmem_max and the program's buffer."
    ),
    "NetstatPeersVanished": "Take the dead peer out of service, and restart clients that hang.",
    "NetstatConnectsUnanswered": (
        "Take the silent address out of service, or undo the change of the firewall."
    ),
    "NetstatSocketsUntracked": "Repair the leak, or raise tracked.limit in the configuration.",
    "NetstatNamespacesUnread": (
        "Let the exporter see the host's processes: no hidepid, ProtectProc=default. Or raise "
        "namespaces.limit or cpu_budget."
    ),
    "NetstatTableFailing": _REPAIR,
    "NetstatCollectorFailing": _REPAIR,
    "NetstatConfigReloadFailed": "Correct the file, check it with --config.check, then reload.",
    "NetstatSnapshotStale": "Keep the log, then restart the exporter.",
}
"""By alert, for all that have a threshold."""
