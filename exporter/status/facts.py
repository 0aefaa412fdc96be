"""Look into a snapshot: its samples by some of their labels, of all network namespaces at once."""

import operator
from collections.abc import Mapping, Sequence
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
    """A row of a list, the key of its history, and what is wrong with it."""

    shown: R
    key: Key
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
        self.services = self._count_states()
        self._names = {
            (labels[0], labels[4]): labels[5]
            for _, samples in self.spaces
            for labels in samples.get("netstat_sockets", ())
        }

    def get(self, metric: str, netns: str = "", labels: tuple[str, ...] = ()) -> float | None:
        """Return one value; None if it is not known."""
        _, samples = self._spaces.get(netns, _NO_SPACE)
        return samples.get(metric, {}).get(labels)

    def by(
        self, metric: str, labels: tuple[str, ...], join: Join = operator.add, **wanted: str
    ) -> Mapping[tuple[str, ...], float]:
        """Return the values by network namespace and some labels, as ``group`` does for each namespace."""
        return {
            (scope.netns, *key): value
            for scope, samples in self.spaces
            if metric in samples  # which few pods have of most
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
        found = self.by("netstat_listener_info", ("protocol", "port", "owner"))
        wanted = at.netns, at.protocol, at.port
        owners = {owner for *place, owner in found if tuple(place) == wanted and owner != UNKNOWN_OWNER}
        return ", ".join(sorted(owners))

    def _count_states(self) -> Mapping[At, Mapping[str, int]]:
        found: dict[At, dict[str, int]] = {}
        labels = ("protocol", "direction", "port", "state")
        for (*place, state), number in self.by("netstat_sockets", labels).items():
            found.setdefault(At(*place), {})[state] = int(number)
        return found

    def place(self, at: At) -> PlaceLabels:
        """Return the fields of a place."""
        scope, _ = self._spaces.get(at.netns, _NO_SPACE)
        return {
            "netns": scope.netns,
            "namespace": scope.namespace,
            "pod": scope.pod,
            "protocol": at.protocol,
            "direction": at.direction,
            "port": at.port,
            "port_name": self._names.get((at.protocol, at.port), at.port),
        }

    def growth(self, key: Key) -> float | None:
        """Return the growth a second of the last half hour."""
        return self.trends.slope(key, _GROWTH_SECONDS)

    def time_left(self, key: Key, left: float) -> float | None:
        """Return the seconds until nothing is left at the present growth; None if that is a day or more."""
        growth = self.growth(key)
        if growth is None or growth <= 0:
            return None
        seconds = max(0.0, left) / growth
        return seconds if seconds < _DAY_SECONDS else None

    def describe(self, at: At) -> str:
        """Return a service in words, such as ``inbound tcp port 8080 (http-alt) of shop/web``."""
        name = self._names.get((at.protocol, at.port), at.port)
        words = [at.direction, at.protocol, "port", at.port, "" if name == at.port else f"({name})"]
        if at.netns:
            words += ["of", at.netns]
        return " ".join(filter(None, words))

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


def worst(problems: Sequence[Problem]) -> str:
    """Return the worst severity of some problems."""
    return max((problem.severity for problem in problems), key=rank, default=OK)


def first_exceeded(thresholds: Sequence[Threshold], value: float | None) -> Threshold | None:
    """Return the first threshold that a value exceeds."""
    return next((each for each in thresholds if each.is_exceeded(value)), None)
