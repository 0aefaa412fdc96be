"""Define the status of a host at one snapshot: what the page, the JSON and the terminal show.

The JSON has the same names. ``SCHEMA_VERSION`` rises when one of them changes its meaning or goes away; new
ones may come without. None is what was not measured, or is not known. No value is a remote address.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from exporter.status.condition import CollectorRow, Exporter, Links, Setting, TableRow
from exporter.status.severity import Severity

SCHEMA_VERSION: Final = 1

History = Annotated[tuple[float | None, ...], "values at `history_at_seconds`, null where unknown"]
RowsTotal = Annotated[int, "how many rows there are, where the list has only the first of them"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The network namespace in which something is."""

    netns: Annotated[str, "name of the network namespace, empty for the host's own"] = ""
    namespace: Annotated[str, "namespace of Kubernetes, of a pod"] = ""
    pod: Annotated[str, "name of a pod"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Scope):
    """What something is about; what has no meaning for it is empty."""

    protocol: Annotated[str, "`tcp`, `udp`, `udplite`, `raw`, `unix`"] = ""
    direction: Annotated[str, "`inbound` or `outbound`, empty for both or neither"] = ""
    port: Annotated[str, "the service's port, or `other`"] = ""
    port_name: Annotated[str, "the name of the port, or the number again"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Place):
    """A threshold of an alert that is exceeded now. The alert itself fires if it stays so."""

    severity: Severity
    alert: Annotated[str, "name of the alert that has this threshold"]
    owner: Annotated[str, "unit, container or program, if the alert is about one"] = ""
    text: Annotated[str, "what is wrong, as a sentence"]
    remedy: Annotated[str, "what to do first, in a sentence or two; the runbook has the rest"] = ""
    runbook: Annotated[str, "address of the alert's runbook, of this version"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakOwner:
    """Who owns sockets of a leak."""

    owner: Annotated[str, "unit, container or program; `unknown`"]
    sockets: Annotated[int, "how many of the sockets it owns"]
    open_files: Annotated[int | None, "open files of its process that is nearest to its limit"] = None
    open_files_limit: Annotated[int | None, "how many files that process may open"] = None
    left_seconds: Annotated[
        float | None, "time until it runs out of file descriptors at the present growth, if within a day"
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak(Place):
    """Sockets of one service in CLOSE_WAIT: the other side has closed, and a process here has not."""

    severity: Severity
    sockets: Annotated[int, "sockets in CLOSE_WAIT"]
    stuck: Annotated[int | None, "those that have been so for longer than `ages.stuck_after`"] = None
    oldest_seconds: Annotated[float | None, "age of the oldest"] = None
    growth_per_hour: Annotated[float | None, "growth of `stuck` an hour, by the last half hour"] = None
    owners: Annotated[tuple[LeakOwner, ...], "who owns them, most sockets first"] = ()
    left_seconds: Annotated[float | None, "the shortest `left_seconds` of the owners"] = None
    history: History = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource(Place):
    """Something with a limit, and how much of it is used."""

    severity: Severity
    kind: Annotated[
        str,
        "`ephemeral_ports` (towards the busiest destination at this port), `bound_ports`, `time_wait`, "
        "`accept_queue`, `open_files`, `tcp_memory`, `orphans`",
    ]
    unit: Annotated[str, "`ports`, `connections`, `files` or `bytes`"]
    owner: Annotated[str, "unit, container or program, of `open_files`"] = ""
    used: Annotated[float, "how much is used"]
    limit: Annotated[float, "how much may be used"]
    ratio: Annotated[float, "share that is used; of an accept queue, that of the fullest listener"]
    left_seconds: Annotated[
        float | None, "time until nothing is left at the present growth, if within a day"
    ] = None
    history: History = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss(Place):
    """Something that the kernel dropped or cut short because a limit was reached."""

    severity: Severity
    kind: Annotated[
        str,
        "`listen_overflows`, `listener_drops`, `udp_drops`, `time_wait_overflows`, `memory_aborts`, "
        "`syn_queue_drops`, `syn_cookies`",
    ]
    total: Annotated[int, "how many; of ports since the exporter started, else since the host did"]
    per_second: Annotated[float | None, "rate a second in the last five minutes"] = None
    history: Annotated[tuple[float | None, ...], "`total` at `history_at_seconds`"] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence(Place):
    """Connections of one service whose peers do not answer, or that have had no data for long."""

    severity: Severity
    unanswered: Annotated[int, "sockets whose peer has not answered three tries or more"] = 0
    waiting: Annotated[Mapping[str, int], "by what they wait for: `data`, `keepalive`, `window`, `handshake`"]
    idle: Annotated[int | None, "connections without data for `idle.after`"] = None
    idle_without_keepalive: Annotated[int | None, "those without keepalive probes"] = None
    history: Annotated[tuple[float | None, ...], "`unanswered` at `history_at_seconds`"] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Place):
    """The sockets of one service."""

    sockets: Annotated[int, "all of its sockets"]
    states: Annotated[Mapping[str, int], "sockets by state; a state that is missing was not counted"]
    owners: Annotated[tuple[str, ...], "who listens, if that is known"] = ()
    exposure: Annotated[tuple[str, ...], "addresses that listen: `any`, `address`, `loopback`"] = ()
    accept_queue: Annotated[int | None, "connections waiting for accept()"] = None
    accept_queue_limit: Annotated[int | None, "how many may wait"] = None
    receive_queue_bytes: Annotated[int | None, "bytes that the program has not read"] = None
    send_queue_bytes: Annotated[int | None, "bytes that the other side has not acknowledged"] = None
    history: Annotated[tuple[float | None, ...], "`sockets` at `history_at_seconds`"] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace(Scope):
    """The sockets of one network namespace beside the host's own."""

    severity: Severity
    sockets: Annotated[int, "all of its sockets"]
    states: Annotated[Mapping[str, int], "TCP sockets by state; a state that is missing is zero"]
    stuck: Annotated[int | None, "sockets in CLOSE_WAIT for longer than `ages.stuck_after`"] = None
    history: Annotated[tuple[float | None, ...], "`sockets` at `history_at_seconds`"] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedPort:
    """A port of the host that is counted in `other`."""

    direction: Annotated[str, "`inbound`, `outbound`, or empty for both"]
    port: Annotated[str, "the port"]
    sockets: Annotated[int, "its sockets"]
    reason: Annotated[str, "`limit`: more ports than `ports.limit`; `unnamed`: no name and no listener"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """What of the host is counted with the port `other`, and why."""

    sockets: Annotated[int, "sockets in `other`"]
    ports_over_limit: Annotated[int | None, "ports in `other` because there are more than `ports.limit`"]
    sockets_over_limit: Annotated[int | None, "sockets of these ports"]
    limit: Annotated[int, "`ports.limit`"]
    ports: Annotated[tuple[FoldedPort, ...], "some of the ports, those with the most sockets first"] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The status of a host at one snapshot."""

    schema_version: Annotated[int, "rises when a name here changes its meaning or goes away"]
    host: Annotated[str, "name of the host"]
    taken_at_seconds: Annotated[float, "Unix time of the snapshot"]
    severity: Severity
    sockets: Annotated[int, "all sockets, of other network namespaces too"]
    problems: Annotated[tuple[Problem, ...], "what is wrong now, the worst first"]
    leaks: Annotated[tuple[Leak, ...], "services with sockets in CLOSE_WAIT, the worst first"]
    leaks_total: RowsTotal
    resources: Annotated[tuple[Resource, ...], "what is limited, the fullest first"]
    resources_total: RowsTotal
    losses: Annotated[tuple[Loss, ...], "what was dropped, the worst first; only what is not zero"]
    losses_total: RowsTotal
    silences: Annotated[tuple[Silence, ...], "services whose peers do not answer, or with idle connections"]
    silences_total: RowsTotal
    services: Annotated[tuple[Service, ...], "all services, the busiest first"]
    services_total: RowsTotal
    namespaces: Annotated[tuple[Namespace, ...], "other network namespaces, the worst first"]
    namespaces_total: RowsTotal
    other: Other
    tables: Annotated[tuple[TableRow, ...], "the kernel's tables"]
    collectors: Annotated[tuple[CollectorRow, ...], "the collectors"]
    exporter: Exporter
    configuration: Annotated[tuple[Setting, ...], "the configuration in force"]
    links: Links
    history_at_seconds: Annotated[tuple[float, ...], "Unix times of the values of each `history`"]
