"""Read the operator's configuration: untrusted YAML in, a frozen Config out, or every problem at once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from exporter import yaml_nodes
from exporter.files import read_regular_file
from exporter.kernel import states
from exporter.kernel.tables import TABLES
from exporter.sampling.sources import AUTO, SOURCES
from exporter.yaml_nodes import Node, YamlError
from exporter.yaml_values import (
    Reader,
    ReadValue,
    read_choice,
    read_duration,
    read_flag,
    read_list,
    read_number,
    read_share,
    shorten,
)

_LARGEST_BYTES: Final = 1 << 20
_LONGEST_NAME: Final = 64
_LAST_PORT: Final = 65535
_PORTS: Final = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?")


class ConfigError(ValueError):
    """The configuration cannot be used; each of ``problems`` says where, which key, and what is allowed."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Ports:
    """Which ports have which names, which are always shown, and how many at most have series of their own."""

    names: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    always: tuple[int, ...] = ()
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Peaks:
    """Of which states the highest counts are shown, and how long each is; no states, no peaks."""

    states: tuple[str, ...] = ("syn_recv", "time_wait", "close_wait")
    window_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Config:
    """What to watch, and what it may cost."""

    interval_seconds: float = 5.0
    cpu_budget: float = 0.05
    timeout_seconds: float = 10.0
    source: str = AUTO
    tables: tuple[str, ...] = ("tcp", "tcp6", "udp", "udp6")
    ports: Ports = field(default_factory=Ports)
    room: bool = True
    drops: bool = True
    peaks: Peaks = field(default_factory=Peaks)


def load(path: str) -> Config:
    """Read a configuration file, once.

    Raises ConfigError, also for a file that cannot be read.
    """
    try:
        content = read_regular_file(path, _LARGEST_BYTES)
    except (OSError, ValueError) as error:
        raise ConfigError([f"{path}: {getattr(error, 'strerror', None) or error}"]) from error
    return parse(content, path)


def parse(content: bytes, name: str) -> Config:
    """Return the configuration that the content of a file called ``name`` stands for.

    Raises ConfigError.
    """
    reader = Reader()
    try:
        values = reader.mapping(yaml_nodes.read_yaml(content), "", _SECTIONS)
    except YamlError as error:
        raise ConfigError([f"{name}:{error.line}:{error.column}: {error}"]) from error
    if reader.problems:
        raise ConfigError(
            [f"{name}:{line}:{column}: {text}" for line, column, text in sorted(reader.problems)]
        )
    return Config(**values)


def _read_port_names(reader: Reader, node: Node, key: str) -> Mapping[int, str]:
    """Return names by port; one for a single port beats one for a range that has it."""
    single: dict[int, str] = {}
    ranged: dict[int, str] = {}
    for ports_node, name_node in reader.pairs(node, key):
        ports = reader.matched(
            ports_node, key, "a port or a range of ports, such as 8443 or 30000-32767", _match_ports
        )
        path = f"{key}.{shorten(reader.text(ports_node, key))}"
        name = reader.matched(
            name_node,
            path,
            f"a name of 1 to {_LONGEST_NAME} printable characters, not other",
            _match_name,
        )
        if ports is None or name is None:
            continue
        names = single if len(ports) == 1 else ranged
        if not names.keys().isdisjoint(ports):
            reader.reject(ports_node, path, "some of it is named already")
        names.update(dict.fromkeys(ports, name))
    return MappingProxyType({**ranged, **single})


def _match_ports(text: str) -> range | None:
    found = _PORTS.fullmatch(text)
    if not found:
        return None
    first, last = int(found[1]), int(found[2] or found[1])
    return range(first, last + 1) if first <= last <= _LAST_PORT else None


def _match_name(text: str) -> str | None:
    return text if 0 < len(text) <= _LONGEST_NAME and text.isprintable() and text != "other" else None


def _read_ports(reader: Reader, node: Node, key: str) -> Ports:
    return Ports(**reader.mapping(node, key, _PORTS_KEYS))


def _read_peaks(reader: Reader, node: Node, key: str) -> Peaks:
    return Peaks(**reader.mapping(node, key, _PEAKS_KEYS))


_PORTS_KEYS: Final[Mapping[str, tuple[str, ReadValue]]] = {
    "names": ("names", _read_port_names),
    "always": ("always", read_list(read_number(1, _LAST_PORT), least=0)),
    "limit": ("limit", read_number(1, 10_000)),
}
_PEAKS_KEYS: Final[Mapping[str, tuple[str, ReadValue]]] = {
    "states": ("states", read_list(read_choice(states.TCP.values()), least=0)),
    "window": ("window_seconds", read_duration),
}
_SECTIONS: Final[Mapping[str, tuple[str, ReadValue]]] = {
    "interval": ("interval_seconds", read_duration),
    "cpu_budget": ("cpu_budget", read_share),
    "timeout": ("timeout_seconds", read_duration),
    "source": ("source", read_choice(SOURCES)),
    "tables": ("tables", read_list(read_choice(TABLES), least=1)),
    "ports": ("ports", _read_ports),
    "room": ("room", read_flag),
    "drops": ("drops", read_flag),
    "peaks": ("peaks", _read_peaks),
}
"""Each key, with the attribute it sets and what reads its value."""
