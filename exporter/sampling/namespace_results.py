"""Turn what a pass found in other network namespaces into samples: of each, and about all of them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from exporter.sampling.labels import Metric, NamespaceLabels, Samples
from exporter.sampling.other_namespace import OtherNamespace
from exporter.sampling.passes import Outcome
from exporter.sampling.snapshot import NamespaceSamples

METRICS: Final = (
    Metric(
        "netstat_exporter_network_namespaces",
        "Network namespaces beside the host's own, by the result of the last pass: read, unchanged (since "
        "they were read), deferred (to a later pass), unreadable, excluded, over_limit.",
        ("result",),
    ),
    Metric(
        "netstat_exporter_network_namespace_oldest_reading_age_seconds",
        "Age of the oldest reading among all network namespaces beside the host's own.",
    ),
)

RESULTS: Final = ("read", "unchanged", "deferred", "unreadable", "excluded", "over_limit")


class Found(NamedTuple):
    """What a pass found: the samples of each namespace, those about all of them, and what it cost.

    ``totals`` are what to add to samples about the exporter. What one expensive namespace cost is charged to
    this pass and later ones, which read less.
    """

    namespaces: tuple[NamespaceSamples, ...] = ()
    samples: Mapping[str, Samples] = MappingProxyType({})
    totals: Mapping[str, float] = MappingProxyType({})
    outcomes: tuple[Outcome, ...] = ()
    cpu_seconds: float = 0.0
    charged_seconds: float = 0.0


def gather(shown: Sequence[OtherNamespace], now: float) -> tuple[NamespaceSamples, ...]:
    """Return the samples of all namespaces, in the order of their names."""
    found = []
    for each in shown:
        if each.name is None or each.access_error is not None:
            continue
        if each.read_at != now:
            each.age(now)
        labels = NamespaceLabels(each.label, each.name.namespace, each.name.pod)
        found.append(NamespaceSamples(labels, each.samples))
    return tuple(sorted(found, key=lambda each: each.labels))


def add_up(shown: Iterable[OtherNamespace]) -> Mapping[str, float]:
    """Return the sums of the samples about the exporter, which have no labels of a namespace."""
    totals = Counter[str]()
    for each in shown:
        totals.update(each.totals)
    return totals


def measure(shown: Iterable[OtherNamespace], results: Mapping[str, int], now: float) -> Mapping[str, Samples]:
    """Return the samples about all of them; ``results`` is how many have which result."""
    ages = [now - max(each.read_at, each.found_at) for each in shown]
    return {
        "netstat_exporter_network_namespaces": {(result,): number for result, number in results.items()},
        "netstat_exporter_network_namespace_oldest_reading_age_seconds": {(): max(ages)} if ages else {},
    }
