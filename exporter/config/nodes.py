"""Read untrusted YAML as plain nodes with their places; nothing is constructed, guessed or repeated.

YAML 1.1 reads ``022`` as 18, ``22:22`` as 1342 and ``no`` as false, builds objects on request, and lets a
few lines of aliases grow to gigabytes. Here a scalar is its text, and its reader decides which words are
valid. Tags, anchors and aliases are refused.
"""

import codecs
import contextlib
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import yaml

_DEEPEST: Final = 10
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
# What YAML calls printable, without byte order marks within the text, which only PyYAML's parser keeps.
_FORBIDDEN: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


class Scalar(NamedTuple):
    """A text, and where it stands, from line and column 1; ``null`` is whether it is YAML for no value."""

    line: int
    column: int
    text: str
    null: bool = False


class Sequence(NamedTuple):
    """A list, and where it begins."""

    line: int
    column: int
    items: tuple["Node", ...]


class Mapping(NamedTuple):
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


def read_yaml(content: bytes, *, fast: bool = yaml.__with_libyaml__) -> Node:
    """Return the one document of a file; a file without a value is an empty mapping.

    ``fast`` is whether to try libyaml first, which is some 20 times as fast as PyYAML's own parser. What
    libyaml refuses is given to that parser, which reads some of it and has the better messages.

    Raises YamlError.
    """
    text = _decode(content.removeprefix(codecs.BOM_UTF8))
    if fast:
        with contextlib.suppress(yaml.YAMLError):
            return _read_document(yaml.parse(text, Loader=yaml.CSafeLoader))
    try:
        return _read_document(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise YamlError(f"not valid YAML: {error.problem or error.context}", line, column) from error
    except YamlError:
        raise
    except (ValueError, OverflowError) as error:  # of PyYAML, for "\\UFFFFFFFF" or %YAML with many digits
        raise YamlError("not valid YAML: a number that is too large", 1, 1) from error


def _decode(content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise YamlError("not UTF-8", content.count(b"\n", 0, error.start) + 1, 1) from error
    if found := _FORBIDDEN.search(text):
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        raise YamlError(f"a character that is not allowed: #x{ord(found[0]):04x}", line, column)
    return text


def _read_document(events: Iterator[yaml.Event]) -> Node:
    root: Node = Mapping(1, 1, ())
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _refuse("more than one document", event)
            root = _read_node(next(events), events, 0)
    return Mapping(1, 1, ()) if isinstance(root, Scalar) and root.null else root


def _read_node(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
    if isinstance(event, yaml.AliasEvent) or (isinstance(event, yaml.NodeEvent) and event.anchor):
        raise _refuse("anchors and aliases are not allowed", event)
    if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
        raise _refuse("tags are not allowed", event)
    if depth > _DEEPEST:
        raise _refuse("nested too deeply", event)
    if isinstance(event, yaml.ScalarEvent):
        unquoted = event.implicit[0]
        return Scalar(*_place(event), event.value, unquoted and event.value in _NULLS)
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
