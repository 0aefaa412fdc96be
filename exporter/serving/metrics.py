"""Say what the page has: the one list of metric names, HELP and labels, and how a snapshot fills them."""

import contextlib
import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter import __version__
from exporter.sampling.snapshot import ListenerKey, QueueKey, Snapshot, SocketKey, SockstatKey, TableStatus
from exporter.serving.measured import MEASURED

Samples = Iterable[tuple[tuple[str, ...], float]]
"""Label values, in the order of the family's labels, each with a value."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Family(Generic[T]):
    """A metric: its name, HELP and labels, and how its samples are read off a value.

    A counter is one whose name ends in ``_total``; everything else is a gauge.
    """

    name: str
    help: str
    labels: tuple[str, ...]
    samples: Callable[[T], Samples]


def _of_tables(value: Callable[[TableStatus], float]) -> Callable[[Snapshot], Samples]:
    return lambda snapshot: [((status.table,), value(status)) for status in snapshot.tables]


def _of_pass(value: Callable[[Snapshot], float]) -> Callable[[Snapshot], Samples]:
    return lambda snapshot: [((), value(snapshot))]


def _of_measure(metric: str) -> Callable[[Snapshot], Samples]:
    name = metric.removeprefix("netstat_")
    return lambda snapshot: snapshot.measures.get(name, {}).items()


_TABLE: Final = ("table",)

FAMILIES: Final[tuple[Family[Snapshot], ...]] = (
    Family(
        "netstat_sockets",
        "Sockets in the kernel's tables, by state and by the port at the service's end.",
        SocketKey._fields,
        lambda snapshot: snapshot.sockets.items(),
    ),
    Family(
        "netstat_receive_queue_bytes",
        "Bytes received that the program has not read yet, rx_queue of the kernel's tables, of sockets not "
        "listening; for UDP the kernel memory that holds them.",
        QueueKey._fields,
        lambda snapshot: snapshot.receive_queue_bytes.items(),
    ),
    Family(
        "netstat_send_queue_bytes",
        "Bytes the other side has not acknowledged yet, tx_queue of the kernel's tables, of sockets not "
        "listening.",
        QueueKey._fields,
        lambda snapshot: snapshot.send_queue_bytes.items(),
    ),
    Family(
        "netstat_accept_queue_length",
        "Connections waiting for accept(), rx_queue of rows in LISTEN, of all listeners of a port.",
        ListenerKey._fields,
        lambda snapshot: snapshot.accept_queue_length.items(),
    ),
    Family(
        "netstat_accept_queue_limit",
        "Connections that may wait for accept(), the backlog in sock_diag, of all listeners of a port.",
        ListenerKey._fields,
        lambda snapshot: snapshot.accept_queue_limit.items(),
    ),
    *(Family(name, text, labels, _of_measure(name)) for name, text, labels in MEASURED),
    Family(
        "netstat_exporter_table_success",
        "Whether the last pass read the kernel's table whole; its sockets are not shown when it did not.",
        _TABLE,
        _of_tables(lambda status: status.success),
    ),
    Family(
        "netstat_exporter_table_duration_seconds",
        "Time to read and count the kernel's table at the last pass.",
        _TABLE,
        _of_tables(lambda status: status.duration_seconds),
    ),
    Family(
        "netstat_exporter_table_rows",
        "Rows that the kernel listed in the table at the last pass.",
        _TABLE,
        _of_tables(lambda status: status.rows),
    ),
    Family(
        "netstat_exporter_table_source_info",
        "By which of the kernel's interfaces the table was read at the last pass: procfs or netlink.",
        ("table", "source"),
        lambda snapshot: [((status.table, status.source), 1) for status in snapshot.tables],
    ),
    Family(
        "netstat_exporter_malformed_rows_total",
        "Rows of the kernel's table that were skipped because they could not be parsed.",
        _TABLE,
        _of_tables(lambda status: status.malformed_rows_total),
    ),
    Family(
        "netstat_exporter_repeated_rows_total",
        "Rows that the kernel's table listed twice because it changed between two reads, counted once.",
        _TABLE,
        _of_tables(lambda status: status.repeated_rows_total),
    ),
    Family(
        "netstat_exporter_sockstat_difference",
        "Sockets counted at the last pass less those in use by the kernel's own exact counter in sockstat.",
        SockstatKey._fields,
        lambda snapshot: snapshot.sockstat_difference.items(),
    ),
    Family(
        "netstat_exporter_ports_folded",
        "Ports whose sockets are in port other because there are more than ports.limit.",
        (),
        _of_pass(lambda snapshot: snapshot.ports_folded),
    ),
    Family(
        "netstat_exporter_pass_duration_seconds",
        "Time that the last pass over all tables took.",
        (),
        _of_pass(lambda snapshot: snapshot.pass_duration_seconds),
    ),
    Family(
        "netstat_exporter_pass_cpu_seconds",
        "CPU time that the last pass over all tables took, user and system.",
        (),
        _of_pass(lambda snapshot: snapshot.pass_cpu_seconds),
    ),
    Family(
        "netstat_exporter_pass_interval_seconds",
        "The pause between passes in force: the configured interval, stretched to keep the CPU budget.",
        (),
        _of_pass(lambda snapshot: snapshot.pass_interval_seconds),
    ),
    Family(
        "netstat_exporter_passes_total",
        "Passes by what tables could be read: success is all of them, partial some, failure none.",
        ("result",),
        lambda snapshot: [((result,), count) for result, count in snapshot.passes_total.items()],
    ),
    Family(
        "netstat_exporter_last_pass_timestamp_seconds",
        "Unix time of the newest snapshot, from which every socket count on the page is.",
        (),
        _of_pass(lambda snapshot: snapshot.taken_at_seconds),
    ),
)
"""What a snapshot gives; a new metric of the kernel's is a new entry."""


@dataclass(frozen=True, slots=True)
class ReloadStatus:
    """How the last reading of the configuration went, and when one last went well, in Unix time."""

    successful: bool
    success_at_seconds: float


@dataclass(frozen=True, slots=True)
class Status:
    """What there is to say of the exporter itself at one moment."""

    reload: ReloadStatus
    connections_rejected: Mapping[str, int] = field(default_factory=dict)
    requests_rejected: Mapping[str, int] = field(default_factory=dict)
    log_lines_lost: int = 0
    snapshot_age_seconds: float | None = None


def _find_revision() -> str:
    """Return the commit installed, as pip notes it for what comes from a repository; else ``unknown``.

    The note is read where pip puts it: importlib.metadata takes a megabyte of memory.
    """
    folder = f"netstat_exporter-{__version__}.dist-info"
    path = os.path.join(os.path.dirname(__file__), "..", "..", folder, "direct_url.json")
    with contextlib.suppress(OSError, ValueError, KeyError), open(path, encoding="utf-8") as note:
        return str(json.load(note)["vcs_info"]["commit_id"])
    return "unknown"


_BUILD: Final = (__version__, _find_revision(), platform.python_version(), platform.python_implementation())

OWN_FAMILIES: Final[tuple[Family[Status], ...]] = (
    Family(
        "netstat_exporter_build_info",
        "The version of the exporter, and of the Python that runs it.",
        ("version", "revision", "python_version", "implementation"),
        lambda _: [(_BUILD, 1)],
    ),
    Family(
        "netstat_exporter_config_last_reload_successful",
        "Whether the configuration could be read when it last was.",
        (),
        lambda status: [((), status.reload.successful)],
    ),
    Family(
        "netstat_exporter_config_last_reload_success_timestamp_seconds",
        "Unix time when the configuration was last read with success.",
        (),
        lambda status: [((), status.reload.success_at_seconds)],
    ),
    Family(
        "netstat_exporter_snapshot_age_seconds",
        "Age of the snapshot on this page by the monotonic clock; setting the wall clock has no effect.",
        (),
        lambda status: [] if status.snapshot_age_seconds is None else [((), status.snapshot_age_seconds)],
    ),
    Family(
        "netstat_exporter_http_connections_rejected_total",
        "Connections that the exporter refused or ended early, by reason.",
        ("reason",),
        lambda status: [((reason,), number) for reason, number in status.connections_rejected.items()],
    ),
    Family(
        "netstat_exporter_http_requests_rejected_total",
        "Requests that the exporter refused, by reason; busy means that --web.max-requests were in progress.",
        ("reason",),
        lambda status: [((reason,), number) for reason, number in status.requests_rejected.items()],
    ),
    Family(
        "netstat_exporter_log_lines_lost_total",
        "Log lines dropped because standard error was full or closed.",
        (),
        lambda status: [((), status.log_lines_lost)],
    ),
)
"""What the exporter says of itself, from the first moment on."""


class SnapshotCollector(Collector):
    """Collects what a snapshot has, once there is one."""

    def __init__(self, snapshot: Callable[[], Snapshot | None]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Yield every family of a snapshot, its series sorted."""
        if snapshot := self._snapshot():
            yield from (_fill(family, family.samples(snapshot)) for family in FAMILIES)


class OwnCollector(Collector):
    """Collects what the exporter says of itself."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """Yield every family of the status."""
        status = self._status()
        yield from (_fill(family, family.samples(status)) for family in OWN_FAMILIES)


def _fill(family: Family[T], samples: Samples) -> Metric:
    metric: CounterMetricFamily | GaugeMetricFamily
    if family.name.endswith("_total"):
        metric = CounterMetricFamily(family.name, family.help, labels=family.labels)
    else:
        metric = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    for labels, value in sorted(samples):
        metric.add_metric(labels, value)
    return metric
