"""Read the operator's names of ports: a mapping of single ports and ranges of ports to names."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from exporter.config.nodes import Node
from exporter.config.values import Reader, shorten

LAST_PORT: Final = 65535

_LONGEST_NAME: Final = 64
_PORTS: Final = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?")


class _Names:
    """Names of ports, each given once; a byte for every port makes it quick to find what is taken."""

    def __init__(self) -> None:
        self.by_port: dict[int, str] = {}
        self._taken = bytearray(LAST_PORT + 1)

    def add(self, ports: range, name: str) -> bool:
        """Give ports a name, and return True, unless one of them has a name."""
        if self._taken.find(1, ports.start, ports.stop) >= 0:
            return False
        self._taken[ports.start : ports.stop] = b"\1" * len(ports)
        self.by_port.update(dict.fromkeys(ports, name))
        return True


def read_port_names(reader: Reader, node: Node, path: str) -> Mapping[int, str]:
    """Return names by port; a name for a single port beats one for a range that has it."""
    single, ranged = _Names(), _Names()
    for ports_node, name_node in reader.pairs(node, path, "ports to names"):
        ports = reader.matched(
            ports_node, path, "a port or a range of ports, such as 8443 or 30000-32767", _match_ports
        )
        name_path = f"{path}.{shorten(reader.text(ports_node, path))}"
        allowed = f"a name of 1 to {_LONGEST_NAME} printable characters, not other"
        name = reader.matched(name_node, name_path, allowed, _match_name)
        if ports is None or name is None:
            continue
        names = single if len(ports) == 1 else ranged
        if not names.add(ports, name):
            reader.reject(ports_node, name_path, "some of it is named already")
    return MappingProxyType({**ranged.by_port, **single.by_port})


def _match_ports(text: str) -> range | None:
    found = _PORTS.fullmatch(text)
    if not found:
        return None
    first, last = int(found[1]), int(found[2] or found[1])
    return range(first, last + 1) if first <= last <= LAST_PORT else None


def _match_name(text: str) -> str | None:
    return text if 0 < len(text) <= _LONGEST_NAME and text.isprintable() and text != "other" else None
