"""Read values from nodes of untrusted YAML, strictly, and collect every problem with its place."""

import re
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

from exporter.config import nodes
from exporter.config.nodes import Node, Scalar

T = TypeVar("T")

_MAX_REPORTED: Final = 20
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

_SHORTEST_SECONDS: Final = 0.1
_LONGEST_SECONDS: Final = 86_400
_UNITS_SECONDS: Final = (3600, 60, 1, 0.001)
_DURATION: Final = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?(?:([0-9]{1,6})ms)?")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,9}")
_SHARE: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,2})?")
_LONGEST_SHOWN: Final = 60
_LONGEST_PATTERN: Final = 253


class Problem(NamedTuple):
    """What is wrong with a key, and where."""

    line: int
    column: int
    key: str
    text: str


class Reader:
    """Reads values from nodes and collects what is wrong; its values are valid only if there are no problems.

    ``moved`` has keys of earlier versions, such as ``stuck.after``, with what they are now. ``places`` are
    the values of the keys that were given.
    """

    def __init__(self, moved: Mapping[str, str] = _NOTHING) -> None:
        self.moved = moved
        self.places: dict[str, Node] = {}
        self.problems: list[Problem] = []

    def reject(self, node: Node, key: str, problem: str) -> None:
        """Add a problem with a key, at the place of a node."""
        self.problems.append(Problem(node.line, node.column, key, problem))

    def is_full(self) -> bool:
        """Tell whether no further problem will be shown, so that no hint is worth its cost."""
        return len(self.problems) >= _MAX_REPORTED

    def messages(self, name: str) -> list[str]:
        """Return the first problems of a file called ``name``, and how many more there are."""
        shown = sorted(self.problems)[:_MAX_REPORTED]
        messages = [
            f"{name}:{line}:{column}: {key}: {text}" if key else f"{name}:{line}:{column}: {text}"
            for line, column, key, text in shown
        ]
        if more := len(self.problems) - len(shown):
            messages.append(f"... and {more:,} more problem{'s' if more > 1 else ''}")
        return messages

    def pairs(self, node: Node, key: str, allowed: str) -> tuple[tuple[Node, Node], ...]:
        """Return the pairs of a mapping, of what is ``allowed``."""
        if isinstance(node, nodes.Mapping):
            return node.pairs
        self.reject(node, key, f"must be a mapping of {allowed}")
        return ()

    def text(self, node: Node, key: str) -> str:
        """Return the text of a scalar."""
        if isinstance(node, Scalar):
            return node.text
        self.reject(node, key, "must be a single word or number")
        return ""

    def matched(self, node: Node, key: str, allowed: str, match: Callable[[str], T | None]) -> T | None:
        """Return what ``match`` makes of a scalar; None, which is never a value, makes it a problem."""
        if isinstance(node, Scalar) and not node.null and (value := match(node.text)) is not None:
            return value
        found = repr(shorten(node.text)) if isinstance(node, Scalar) else f"a {type(node).__name__.lower()}"
        self.reject(node, key, f"{found} is not {allowed}")
        return None


ReadValue = Callable[[Reader, Node, str], T | None]
"""Reads the value of a key from its node; None when it is wrong, which the reader has noted."""


def read_duration(reader: Reader, node: Node, key: str) -> float | None:
    """Return seconds from a duration as Prometheus writes them."""

    def match(text: str) -> float | None:
        found = _DURATION.fullmatch(text)
        numbers = zip(found.groups(), _UNITS_SECONDS, strict=True) if found else ()
        seconds = sum(int(number) * unit for number, unit in numbers if number)
        return seconds if _SHORTEST_SECONDS <= seconds <= _LONGEST_SECONDS else None

    return reader.matched(node, key, "a duration from 100ms to 24h, such as 5s, 500ms or 1m30s", match)


def write_duration(seconds: float) -> str:
    """Return a duration as ``read_duration`` reads it."""
    left, words = round(seconds * 1000), []
    for letters, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        number, left = divmod(left, size)
        if number:
            words.append(f"{number}{letters}")
    return "".join(words)


def read_share(reader: Reader, node: Node, key: str) -> float | None:
    """Return a share of one."""

    def match(text: str) -> float | None:
        share = float(text) if _SHARE.fullmatch(text) else 0.0
        return share if 0 < share <= 1 else None

    return reader.matched(node, key, "a share over 0 and at most 1, such as 0.05", match)


def read_number(least: int, most: int) -> ReadValue[int]:
    """Return what reads a whole number, in decimal without a leading zero."""

    def match(text: str) -> int | None:
        return int(text) if _NUMBER.fullmatch(text) and least <= int(text) <= most else None

    allowed = f"a number from {least} to {most}"
    return lambda reader, node, key: reader.matched(node, key, allowed, match)


def read_choice(allowed: Collection[str], moved: Mapping[str, str] = _NOTHING) -> ReadValue[str]:
    """Return what reads one of the allowed words; ``moved`` has words of earlier versions."""
    words = f"one of {', '.join(allowed)}"

    def match(text: str) -> str | None:
        return text if text in allowed else None

    def read(reader: Reader, node: Node, key: str) -> str | None:
        if isinstance(node, Scalar) and node.text in moved:
            reader.reject(node, key, f"{node.text} is now {moved[node.text]}")
            return None
        return reader.matched(node, key, words, match)

    return read


def read_pattern(reader: Reader, node: Node, key: str) -> str | None:
    """Return a pattern for names, of printable characters."""

    def match(text: str) -> str | None:
        return text if 0 < len(text) <= _LONGEST_PATTERN and text.isprintable() else None

    return reader.matched(node, key, f"a pattern of 1 to {_LONGEST_PATTERN} printable characters", match)


def read_flag(reader: Reader, node: Node, key: str) -> bool | None:
    """Return a truth value; only ``true`` and ``false`` are words for one."""
    return reader.matched(node, key, "true or false", {"true": True, "false": False}.get)


def read_list(read_item: ReadValue[T], when_empty: str = "") -> ReadValue[tuple[T, ...]]:
    """Return what reads a list of different items; ``when_empty``, if given, is why it cannot be empty."""

    def read(reader: Reader, node: Node, key: str) -> tuple[T, ...] | None:
        if not isinstance(node, nodes.Sequence):
            reader.reject(node, key, "must be a list")
            return None
        if when_empty and not node.items:
            reader.reject(node, key, when_empty)
        values: dict[T, None] = {}
        for item in node.items:
            value = read_item(reader, item, key)
            if value in values:
                reader.reject(item, key, f"{value} is given twice")
            elif value is not None:
                values[value] = None
        return tuple(values)

    return read


def shorten(text: str) -> str:
    """Return an untrusted text, shortened and made printable for a message."""
    shown = text[:_LONGEST_SHOWN]
    return (shown if shown.isprintable() else ascii(shown)) + ("..." if len(text) > _LONGEST_SHOWN else "")
