"""Read values from nodes of untrusted YAML, strictly, and collect every problem with its place."""

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar

from exporter import yaml_nodes
from exporter.yaml_nodes import Node, Scalar

T = TypeVar("T")

_SHORTEST_SECONDS: Final = 0.1
_LONGEST_SECONDS: Final = 86_400
_UNITS_SECONDS: Final = (3600, 60, 1, 0.001)
_DURATION: Final = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?(?:([0-9]{1,6})ms)?")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,9}")
_SHARE: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,9})?")
_LONGEST_SHOWN: Final = 60


class Reader:
    """Reads values from nodes and collects what is wrong; what it returns counts only if nothing is."""

    def __init__(self) -> None:
        self.problems: list[tuple[int, int, str]] = []

    def reject(self, node: Node, key: str, problem: str) -> None:
        """Take note of a problem with a key, at the place of a node."""
        self.problems.append((node.line, node.column, f"{key}: {problem}" if key else problem))

    def mapping(self, node: Node, key: str, readers: Mapping[str, tuple[str, "ReadValue"]]) -> dict[str, Any]:
        """Return attributes with values; ``readers`` has, by key, the attribute and what reads its value."""
        values: dict[str, Any] = {}
        seen = set()
        for key_node, value_node in self.pairs(node, key):
            word = self.text(key_node, key)
            path = f"{key}.{word}" if key else word
            if word in seen:
                self.reject(key_node, shorten(path), "given twice")
            elif word not in readers:
                near = difflib.get_close_matches(word, readers, n=1)
                hint = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(readers)}"
                self.reject(key_node, shorten(path), f"unknown key; {hint}")
            else:
                attribute, read = readers[word]
                values[attribute] = read(self, value_node, path)
            seen.add(word)
        return values

    def pairs(self, node: Node, key: str) -> tuple[tuple[Node, Node], ...]:
        """Return the pairs of a mapping; nothing at all is an empty one, as where all is commented out."""
        if isinstance(node, yaml_nodes.Mapping):
            return node.pairs
        if not (isinstance(node, Scalar) and not node.text):
            self.reject(node, key, "must be a mapping of keys to values")
        return ()

    def items(self, node: Node, key: str) -> tuple[Node, ...]:
        """Return the items of a list."""
        if isinstance(node, yaml_nodes.Sequence):
            return node.items
        self.reject(node, key, "must be a list")
        return ()

    def text(self, node: Node, key: str) -> str:
        """Return the text of a scalar."""
        if isinstance(node, Scalar):
            return node.text
        self.reject(node, key, "must be a single word or number")
        return ""

    def matched(self, node: Node, key: str, allowed: str, match: Callable[[str], T | None]) -> T | None:
        """Return what ``match`` makes of a scalar; None, which is never a value, makes it a problem."""
        if isinstance(node, Scalar) and (value := match(node.text)) is not None:
            return value
        found = repr(shorten(node.text)) if isinstance(node, Scalar) else f"a {type(node).__name__.lower()}"
        self.reject(node, key, f"{found} is not {allowed}")
        return None


ReadValue = Callable[[Reader, Node, str], object]


def read_duration(reader: Reader, node: Node, key: str) -> float | None:
    """Return seconds from a duration as Prometheus writes them."""

    def match(text: str) -> float | None:
        found = _DURATION.fullmatch(text)
        numbers = zip(found.groups(), _UNITS_SECONDS, strict=True) if found else ()
        seconds = sum(int(number) * unit for number, unit in numbers if number)
        return seconds if _SHORTEST_SECONDS <= seconds <= _LONGEST_SECONDS else None

    return reader.matched(node, key, "a duration from 100ms to 24h, such as 5s, 500ms or 1m30s", match)


def read_share(reader: Reader, node: Node, key: str) -> float | None:
    """Return a share of one."""

    def match(text: str) -> float | None:
        share = float(text) if _SHARE.fullmatch(text) else 0.0
        return share if 0 < share <= 1 else None

    return reader.matched(node, key, "a share over 0 and at most 1, such as 0.05", match)


def read_number(least: int, most: int) -> ReadValue:
    """Return what reads a whole number, in decimal without a leading zero."""

    def match(text: str) -> int | None:
        return int(text) if _NUMBER.fullmatch(text) and least <= int(text) <= most else None

    return lambda reader, node, key: reader.matched(node, key, f"a number from {least} to {most}", match)


def read_choice(allowed: Collection[str]) -> ReadValue:
    """Return what reads one of the allowed words."""

    def match(text: str) -> str | None:
        return text if text in allowed else None

    return lambda reader, node, key: reader.matched(node, key, f"one of {', '.join(allowed)}", match)


def read_flag(reader: Reader, node: Node, key: str) -> bool | None:
    """Return whether a thing is wanted; of the words of YAML only two, as others read ``no`` as a name."""
    return reader.matched(node, key, "true or false", {"true": True, "false": False}.get)


def read_list(read_item: ReadValue, least: int) -> ReadValue:
    """Return what reads a list of at least so many items, each different."""

    def read(reader: Reader, node: Node, key: str) -> tuple[object, ...]:
        items = reader.items(node, key)
        if isinstance(node, yaml_nodes.Sequence) and len(items) < least:
            reader.reject(node, key, f"must have at least {least}")
        values: list[object] = []
        for item in items:
            value = read_item(reader, item, key)
            if value is not None and value in values:
                reader.reject(item, key, f"{value} is given twice")
            values.append(value)
        return tuple(values)

    return read


def shorten(text: str) -> str:
    """Return a text of anybody's making such that a message can show it."""
    shown = text[:_LONGEST_SHOWN]
    return (shown if shown.isprintable() else ascii(shown)) + ("..." if len(text) > _LONGEST_SHOWN else "")
