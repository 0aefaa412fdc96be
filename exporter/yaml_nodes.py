"""Read untrusted YAML as plain nodes with their places; nothing is constructed, guessed or repeated.

YAML 1.1 reads ``022`` as 18, ``22:22`` as 1342 and ``no`` as false, builds objects on request, and lets a
few lines of aliases grow to gigabytes. Here a scalar is the text that stands there, and whoever reads it
says which words it may be. Tags, anchors and aliases are refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import yaml

_DEEPEST: Final = 10


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, and where it stands, from line and column 1."""

    line: int
    column: int
    text: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list, and where it begins."""

    line: int
    column: int
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys with their values, in their order and with their repetitions, and where they begin."""

    line: int
    column: int
    pairs: tuple[tuple["Node", "Node"], ...]


Node = Scalar | Sequence | Mapping


class YamlError(ValueError):
    """The text is not YAML, or YAML of the kind that is refused; ``line`` and ``column`` count from 1."""

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(problem)
        self.line = line
        self.column = column


def read_yaml(content: bytes) -> Node:
    """Return the one document of a file; an empty file is an empty mapping.

    Raises YamlError.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise YamlError("not UTF-8", content.count(b"\n", 0, error.start) + 1, 1) from error
    try:
        return _read_document(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise YamlError(f"not valid YAML: {error.problem or error.context}", line, column) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(f"a character that YAML does not allow: #x{error.character:04x}", line, 1) from error
    except YamlError:
        raise
    except (ValueError, OverflowError) as error:  # of PyYAML, for "\\UFFFFFFFF" or %YAML with many digits
        raise YamlError("not valid YAML: a number that is too large", 1, 1) from error


def _read_document(events: Iterator[yaml.Event]) -> Node:
    root: Node = Mapping(1, 1, ())
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _refuse("more than one document", event)
            root = _read_node(next(events), events, 0)
    if isinstance(root, Scalar) and not root.text:
        return Mapping(1, 1, ())
    return root


def _read_node(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
    if isinstance(event, yaml.AliasEvent) or (isinstance(event, yaml.NodeEvent) and event.anchor):
        raise _refuse("anchors and aliases are not allowed", event)
    if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
        raise _refuse("tags are not allowed", event)
    if depth > _DEEPEST:
        raise _refuse("nested too deeply", event)
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(*_place(event), event.value)
    children = []
    while not isinstance(child := next(events), yaml.CollectionEndEvent):
        children.append(_read_node(child, events, depth + 1))
    if isinstance(event, yaml.SequenceStartEvent):
        return Sequence(*_place(event), tuple(children))
    return Mapping(*_place(event), tuple(zip(children[::2], children[1::2], strict=True)))


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _refuse(problem: str, event: yaml.Event) -> YamlError:
    return YamlError(problem, *_place(event))
