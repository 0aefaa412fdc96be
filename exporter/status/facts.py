"""Look into a snapshot: its samples by some of their labels, of all network namespaces at once."""

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Final, Generic, NamedTuple, TypedDict, TypeVar

from exporter.config.settings import Settings
from exporter.sampling.labels import OTHER, UNKNOWN_OWNER, NamespaceLabels, Samples
from exporter.sampling.snapshot import Snapshot
from exporter.status.grouping import Join, group, has_label
from exporter.status.history import Key, Trends
from exporter.status.links import find_runbook
from exporter.status.model import Leak, Loss, Namespace, Problem, Resource, Service, Silence
from exporter.status.remedies import REMEDIES
from exporter.status.severity import OK, rank
from exporter.status.thresholds import Threshold

CLOSE_WAIT: Final = "close_wait"
ESTABLISHED: Final = "established"
INBOUND: Final = "inbound"
OUTBOUND: Final = "outbound"

_HOST: Final = NamespaceLabels("", "", "")
_NO_SPACE: Final[tuple[NamespaceLabels, Mapping[str, Samples]]] = (_HOST, {})
_DAY_SECONDS: Final = 86_400
_GROWTH_SECONDS: Final = 1800


class PlaceLabels(TypedDict):
    """The fields of a ``Place``."""

    netns: str
    namespace: str
    pod: str
    protocol: str
    direction: str
    port: str
    port_name: str


class At(NamedTuple):
    """A service in a network namespace; what has no meaning is empty."""

    netns: str = ""
    protocol: str = ""
    direction: str = ""
    port: str = ""

    @property
    def is_other(self) -> bool:
        """Whether the port is ``other``, which stands for many ports."""
        return self.port == OTHER


Values = Mapping[At, float]

R = TypeVar("R", Leak, Resource, Loss, Silence, Service, Namespace)


class Row(NamedTuple, Generic[R]):
    """A row of a list, which is made only if it is among the first.

    Rows are sorted by ``order``, the smallest first. ``key`` names the row's series in the history, and
    ``now`` is the value of that series at the snapshot. ``make(history=...)`` returns the row. ``problems``
    are what is wrong with it.
    """

    order: tuple[float, ...]
    key: Key
    now: float | None
    make: Callable[..., R]
    problems: Sequence[Problem] = ()


class Facts:
    """The samples of a snapshot, and the trends that lead to it.

    ``services`` has the sockets of each service by state, with measured zeros.
    """

    def __init__(self, snapshot: Snapshot, trends: Trends, settings: Settings) -> None:
        self.snapshot = snapshot
        self.trends = trends
        self.settings = settings
        self.spaces: Sequence[tuple[NamespaceLabels, Mapping[str, Samples]]] = [
            (_HOST, snapshot.samples),
            *((each.labels, each.samples) for each in snapshot.namespaces),
        ]
        self._spaces = {labels.netns: (labels, samples) for labels, samples in self.spaces}
        self._with_metric = self._index_metrics()
        self._names: dict[tuple[str, str], str] = {}
        self.services = self._count_states()
        self._growths: dict[Key, float | None] = {}
        self._places: dict[At, PlaceLabels] = {}

    @cached_property
    def sockets(self) -> Mapping[At, int]:
        """The sockets of each service, in all states."""
        return {at: sum(states.values()) for at, states in self.services.items()}

    def get(self, metric: str, netns: str = "", labels: tuple[str, ...] = ()) -> float | None:
        """Return one value; None if it is not known."""
        _, samples = self._spaces.get(netns, _NO_SPACE)
        return samples.get(metric, {}).get(labels)

    def by(
        self, metric: str, labels: tuple[str, ...], join: Join = operator.add, **wanted: str
    ) -> Mapping[tuple[str, ...], float]:
        """Return the values by network namespace and some labels, as ``group`` does for each namespace."""
        return {
            (netns, *key): value
            for netns, samples in self._with_metric.get(metric, ())
            for key, value in group(samples, metric, labels, join, wanted).items()
        }

    def by_service(self, metric: str, join: Join = operator.add, **wanted: str) -> Values:
        """Return the values by service; of the metrics of listeners the direction is empty."""
        if has_label(metric, "direction"):
            return {At(*key): n for key, n in self.by(metric, At._fields[1:], join, **wanted).items()}
        found = self.by(metric, ("protocol", "port"), join, **wanted)
        return {At(netns, protocol, "", port): n for (netns, protocol, port), n in found.items()}

    def count(self, state: str) -> Values:
        """Return the TCP sockets in a state by service, where they were counted."""
        return {
            at: states[state]
            for at, states in self.services.items()
            if state in states and at.protocol == "tcp"
        }

    def find_listener(self, at: At) -> str:
        """Return who listens at a port; empty if that is not known."""
        return ", ".join(sorted(self._listeners.get((at.netns, at.protocol, at.port), ())))

    @cached_property
    def _listeners(self) -> Mapping[tuple[str, str, str], Collection[str]]:
        """The known owners of listeners, by network namespace, protocol and port."""
        found: dict[tuple[str, str, str], set[str]] = {}
        for netns, protocol, port, owner in self.by("netstat_listener_info", ("protocol", "port", "owner")):
            if owner != UNKNOWN_OWNER:
                found.setdefault((netns, protocol, port), set()).add(owner)
        return found

    def _index_metrics(self) -> Mapping[str, Sequence[tuple[str, Mapping[str, Samples]]]]:
        """Return the network namespaces that have samples of a metric: of most metrics few pods have any."""
        found: dict[str, list[tuple[str, Mapping[str, Samples]]]] = {}
        for scope, samples in self.spaces:
            for metric in samples:
                found.setdefault(metric, []).append((scope.netns, samples))
        return found

    def _count_states(self) -> Mapping[At, Mapping[str, int]]:
        """Look at each count of sockets once: there are more of them than of anything else."""
        found: dict[At, dict[str, int]] = {}
        for netns, samples in self._with_metric.get("netstat_sockets", ()):
            for key, number in samples["netstat_sockets"].items():
                protocol, _, state, direction, port, name = key  # a SocketKey
                at = (netns, protocol, direction, port)
                states = found.get(at)  # type: ignore[call-overload]  # equal to an At, and made faster
                if states is None:
                    states = found[At(*at)] = {}
                    self._names[protocol, port] = name
                states[state] = states.get(state, 0) + int(number)
        return found

    def place(self, at: At) -> PlaceLabels:
        """Return the fields of a place."""
        if at not in self._places:
            netns, protocol, direction, port = at
            scope, _ = self._spaces.get(netns, _NO_SPACE)
            self._places[at] = {
                "netns": scope.netns,
                "namespace": scope.namespace,
                "pod": scope.pod,
                "protocol": protocol,
                "direction": direction,
                "port": port,
                "port_name": self._names.get((protocol, port), port),
            }
        return self._places[at]

    def growth(self, key: Key, now: float | None) -> float | None:
        """Return the growth a second of the last half hour, of a series that has a value now."""
        if key not in self._growths:  # an owner may have many leaks
            self._growths[key] = self.trends.slope(key, now, _GROWTH_SECONDS)
        return self._growths[key]

    def time_left(self, key: Key, used: float, limit: float) -> float | None:
        """Return the seconds until nothing is left at the present growth; None if that is a day or more."""
        growth = self.growth(key, used)
        if growth is None or growth <= 0:
            return None
        seconds = max(0.0, limit - used) / growth
        return seconds if seconds < _DAY_SECONDS else None

    def describe(self, at: At) -> str:
        """Return a service in words, such as ``inbound tcp port 8080 (http-alt) of shop/web``."""
        return f"{self.describe_port(at)} of {at.netns}" if at.netns else self.describe_port(at)

    def describe_port(self, at: At) -> str:
        """Return the same without the network namespace."""
        _, protocol, direction, port = at
        name = self._names.get((protocol, port), port)
        return f"{direction} {protocol} port {port}{'' if name == port else f' ({name})'}".lstrip()

    def blame(self, threshold: Threshold, at: At, text: str, owner: str = "") -> Problem:
        """Return the problem that a threshold is exceeded."""
        runbook = find_runbook(threshold.alert)
        return Problem(
            severity=threshold.severity,
            alert=threshold.alert,
            owner=owner,
            text=text,
            remedy=REMEDIES[threshold.alert],
            runbook=runbook,
            **self.place(at),
        )


def sort_rows(rows: list[Row[R]]) -> list[Row[R]]:
    """Sort rows in place, by ``order`` and then by ``key``, and return them."""
    rows.sort(key=operator.attrgetter("order", "key"))
    return rows


def worst(problems: Sequence[Problem]) -> str:
    """Return the worst severity of some problems."""
    return max((problem.severity for problem in problems), key=rank, default=OK)


def first_exceeded(thresholds: Sequence[Threshold], value: float | None) -> Threshold | None:
    """Return the first threshold that a value exceeds."""
    return next((each for each in thresholds if each.is_exceeded(value)), None)
