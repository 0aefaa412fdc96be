"""Define metrics, and the labels of the page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

OTHER: Final = "other"
"""The port, and its name, of every socket whose service port has no series of its own."""

UNKNOWN_OWNER: Final = "unknown"
"""The owner of every socket whose owner is not known."""

_LONGEST_LABEL_VALUE: Final = 64

Samples = Mapping[tuple[str, ...], float]
"""Values by label values, which are in the order of the metric's labels."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of the page. A counter is one whose name ends in ``_total``; everything else is a gauge."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


class SocketKey(NamedTuple):
    """The labels of one count of sockets; an empty string where a label has no meaning."""

    protocol: str
    family: str
    state: str
    direction: str
    port: str
    port_name: str


class QueueKey(NamedTuple):
    """The labels of the queues of the sockets of one service port."""

    protocol: str
    family: str
    direction: str
    port: str
    port_name: str


class ListenerKey(NamedTuple):
    """The labels of the listeners of one port."""

    protocol: str
    family: str
    port: str
    port_name: str


class ListenerInfoKey(NamedTuple):
    """The labels of what listens at one port: those of ``ListenerKey``, and two more."""

    protocol: str
    family: str
    port: str
    port_name: str
    exposure: str
    owner: str


class OwnerKey(NamedTuple):
    """The labels of the sockets of one owner, of both families."""

    protocol: str
    state: str
    direction: str
    port: str
    port_name: str
    owner: str


class UnansweredKey(NamedTuple):
    """The labels of the sockets of one service that wait for the same from their peers."""

    protocol: str
    family: str
    direction: str
    port: str
    port_name: str
    state: str
    waiting: str


class IdleKey(NamedTuple):
    """The labels of the idle connections of one service."""

    protocol: str
    family: str
    direction: str
    port: str
    port_name: str
    keepalive: str


class MemoryKey(NamedTuple):
    """The labels of the memory that the sockets of one service hold."""

    protocol: str
    family: str
    direction: str
    port: str
    port_name: str
    kind: str


class OwnerMemoryKey(NamedTuple):
    """The labels of the memory that the sockets of one service and owner hold, of both families."""

    protocol: str
    direction: str
    port: str
    port_name: str
    owner: str


class ServiceLabels(NamedTuple):
    """The labels of a service."""

    direction: str
    port: str
    port_name: str


class NamespaceLabels(NamedTuple):
    """The labels of another network namespace, behind those of a metric; the host's own has none of them."""

    netns: str
    namespace: str
    pod: str


def label_value(name: bytes, longest: int = _LONGEST_LABEL_VALUE) -> str:
    """Return untrusted bytes as a label value: valid, printable, at most ``longest`` characters."""
    text = name[: 4 * longest].decode(errors="replace")[:longest]
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
