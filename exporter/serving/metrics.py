"""Make metric families from a snapshot, and from the status of the exporter itself."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from exporter import __version__
from exporter.revision import find_revision
from exporter.sampling.labels import Metric, NamespaceLabels, Samples
from exporter.sampling.sampler import METRICS
from exporter.sampling.snapshot import Snapshot

NO_NAMESPACE: Final = NamespaceLabels("", "", "")
"""The host's own network namespace, where pods are seen: with ``honor_labels`` in the scrape configuration,
labels that are there and empty keep Prometheus from adding those of the exporter's own pod to the host's."""

_EXPORTER: Final = "netstat_exporter_"


@dataclass(frozen=True, slots=True)
class ReloadStatus:
    """Whether the last reload succeeded, and the Unix time of the last one that did."""

    successful: bool
    success_at_seconds: float


@dataclass(frozen=True, slots=True)
class Status:
    """The status of the exporter itself at one moment."""

    reload: ReloadStatus
    connections_rejected: Mapping[str, int] = field(default_factory=dict)
    requests_rejected: Mapping[str, int] = field(default_factory=dict)
    log_lines_lost: int = 0
    snapshot_age_seconds: float | None = None


_BUILD: Final = (__version__, find_revision(), platform.python_version(), platform.python_implementation())


@dataclass(frozen=True, slots=True)
class OwnMetric(Metric):
    """A metric of the exporter itself, with the function that returns its samples."""

    samples: Callable[[Status], Samples] = lambda _: {}


OWN_METRICS: Final = (
    OwnMetric(
        "netstat_exporter_build_info",
        "Version of the exporter, and of the Python that runs it.",
        ("version", "revision", "python_version", "implementation"),
        lambda _: {_BUILD: 1},
    ),
    OwnMetric(
        "netstat_exporter_config_last_reload_successful",
        "Whether the last reload of the configuration succeeded.",
        (),
        lambda status: {(): status.reload.successful},
    ),
    OwnMetric(
        "netstat_exporter_config_last_reload_success_timestamp_seconds",
        "Unix time of the last successful reload of the configuration.",
        (),
        lambda status: {(): status.reload.success_at_seconds},
    ),
    OwnMetric(
        "netstat_exporter_snapshot_age_seconds",
        "Age of the snapshot on this page by the monotonic clock; setting the wall clock has no effect.",
        (),
        lambda status: {} if status.snapshot_age_seconds is None else {(): status.snapshot_age_seconds},
    ),
    OwnMetric(
        "netstat_exporter_http_connections_rejected_total",
        "Connections that the exporter refused or ended early, by reason.",
        ("reason",),
        lambda status: {(reason,): number for reason, number in status.connections_rejected.items()},
    ),
    OwnMetric(
        "netstat_exporter_http_requests_rejected_total",
        "Requests that the exporter refused, by reason; busy means that --web.max-requests were in progress, "
        "or half as many from one address.",
        ("reason",),
        lambda status: {(reason,): number for reason, number in status.requests_rejected.items()},
    ),
    OwnMetric(
        "netstat_exporter_log_lines_lost_total",
        "Log lines dropped because standard error was full or closed.",
        (),
        lambda status: {(): status.log_lines_lost},
    ),
)
"""The metrics of the exporter itself, present from the start."""


class SnapshotCollector(Collector):
    """Collects the newest snapshot, once there is one."""

    def __init__(self, snapshot: Callable[[], Snapshot | None]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Family]:
        """Yield every metric of a snapshot, its series sorted."""
        if snapshot := self._snapshot():
            others = _group(snapshot)
            has_pods = any(each.labels.pod for each in snapshot.namespaces)
            for metric in METRICS:
                own = NO_NAMESPACE if has_pods and not metric.name.startswith(_EXPORTER) else None
                family = _fill(metric, snapshot.samples.get(metric.name, {}), own)
                for labels, samples in others.get(metric.name, ()):
                    family.samples += _fill(metric, samples, labels).samples
                yield family


class OwnCollector(Collector):
    """Collects the status of the exporter itself."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    def collect(self) -> Iterator[Family]:
        """Yield every metric of the status."""
        status = self._status()
        yield from (_fill(metric, metric.samples(status)) for metric in OWN_METRICS)


def _group(snapshot: Snapshot) -> Mapping[str, Sequence[tuple[NamespaceLabels, Samples]]]:
    """Return the samples of other network namespaces by the name of their metric."""
    grouped: dict[str, list[tuple[NamespaceLabels, Samples]]] = {}
    for each in snapshot.namespaces:
        for name, samples in each.samples.items():
            grouped.setdefault(name, []).append((each.labels, samples))
    return grouped


def _fill(metric: Metric, samples: Samples, namespace: NamespaceLabels | None = None) -> Family:
    """Return a family of the samples of one network namespace; without its labels for the host's own."""
    names, more = (metric.labels, ()) if namespace is None else (metric.labels + namespace._fields, namespace)
    family: CounterMetricFamily | GaugeMetricFamily
    if metric.name.endswith("_total"):
        family = CounterMetricFamily(metric.name, metric.help, labels=names)
    else:
        family = GaugeMetricFamily(metric.name, metric.help, labels=names)
    for labels, value in sorted(samples.items()):
        family.add_metric((*labels, *more), value)
    return family
