"""Make the fields of dataclasses keys of the configuration, and read such dataclasses from YAML.

A field defines its key: its name in the file, the reader of its value with its bounds, and its default.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from exporter.config import nodes
from exporter.config.nodes import Node
from exporter.config.values import Reader, ReadValue, shorten, write_duration

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
S = TypeVar("S", bound="DataclassInstance")

ENABLED: Final = "enabled"

_KEY: Final = "key"
_READ: Final = "read"
_PLAIN: Final = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)


def key(name: str, read: ReadValue[T], default: T) -> T:
    """Declare the field of a key; ``read`` knows its bounds."""
    declared: T = field(default_factory=lambda: default, metadata={_KEY: name, _READ: read})
    return declared


def section(name: str, kind: type[S]) -> S:
    """Declare the field of a section; ``kind`` is the dataclass that has its keys."""
    declared: S = field(default_factory=kind, metadata={_KEY: name, _READ: read_section(kind)})
    return declared


def read_section(kind: type[S]) -> Callable[[Reader, Node, str], S]:
    """Return what reads a mapping of keys into a dataclass; a key with nothing behind it has its default."""
    keys = keys_of(kind)
    allowed = "keys to values" + (f", such as {{{ENABLED}: false}}" if ENABLED in keys else "")

    def read(reader: Reader, node: Node, path: str) -> S:
        values = {}
        for word, key_path, value_node in _known_pairs(reader, node, path, allowed, keys):
            if isinstance(value_node, nodes.Scalar) and value_node.null:
                continue
            reader.places[key_path] = value_node
            value = keys[word].metadata[_READ](reader, value_node, key_path)
            if value is not None:
                values[keys[word].name] = value
        return kind(**values)

    return read


def keys_of(kind: "type[DataclassInstance]") -> dict[str, Field[Any]]:
    """Return the fields of a dataclass by key."""
    return {declared.metadata[_KEY]: declared for declared in fields(kind)}


def list_values(settings: "DataclassInstance", prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every key with its value, as both are written in YAML; inner keys are joined by dots."""
    for declared in fields(settings):
        value, path = getattr(settings, declared.name), f"{prefix}{declared.metadata[_KEY]}"
        if is_dataclass(value) and not isinstance(value, type):
            yield from list_values(value, f"{path}.")
        else:
            yield path, _write(value, is_duration=declared.name.endswith("_seconds"))


def _write(value: object, *, is_duration: bool = False) -> str:
    """Return a value as YAML; words that need no quotes have none."""
    if is_duration and isinstance(value, (int, float)):
        return write_duration(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_write, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {_write(each)}' for name, each in value.items())}}}"
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    return str(value)


def _known_pairs(
    reader: Reader, node: Node, path: str, allowed: str, keys: Mapping[str, object]
) -> Iterator[tuple[str, str, Node]]:
    """Yield each known key with its path and value, and reject the rest."""
    seen = set()
    for key_node, value_node in reader.pairs(node, path, allowed):
        word = reader.text(key_node, path)
        key_path = f"{path}.{word}" if path else word
        if word in seen:
            reader.reject(key_node, shorten(key_path), "given twice")
        elif word in keys:
            yield word, key_path, value_node
        elif key_path in reader.moved:
            _reject_moved(reader, key_node, value_node, key_path)
        else:
            reader.reject(key_node, shorten(key_path), _explain_unknown(reader, word, keys))
        seen.add(word)


def _explain_unknown(reader: Reader, word: str, keys: Mapping[str, object]) -> str:
    if reader.is_full():
        return "unknown key"
    near = difflib.get_close_matches(word, keys, n=1)
    return f"unknown key; did you mean {near[0]}?" if near else f"unknown key; allowed: {', '.join(keys)}"


def _reject_moved(reader: Reader, key_node: Node, value_node: Node, path: str) -> None:
    """Reject a key of an earlier version and those within it, with their new names."""
    reader.reject(key_node, path, f"this key is now {reader.moved[path]}")
    for inner_node, _ in value_node.pairs if isinstance(value_node, nodes.Mapping) else ():
        inner_path = f"{path}.{reader.text(inner_node, path)}"
        if inner_path in reader.moved:
            reader.reject(inner_node, inner_path, f"this key is now {reader.moved[inner_path]}")
