"""Describe the JSON of a status: as a JSON Schema, and as tables of Markdown."""

import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from exporter.status.encoding import hints_of
from exporter.status.model import Status

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_SCALARS: Final = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def describe_schema() -> dict[str, object]:
    """Return the JSON Schema of a status; what is not known is allowed, as later versions may have more."""
    kinds = {kind.__name__: _describe_kind(kind) for kind in find_kinds(Status) if kind is not Status}
    return {"$schema": _DIALECT, **_describe_kind(Status), "$defs": kinds}


def render_tables() -> Iterator[str]:
    """Yield the lines of a table for each kind of object."""
    for kind in find_kinds(Status):
        hints, descriptions = hints_of(kind), descriptions_of(kind)
        yield from (
            f"### {kind.__name__}",
            "",
            str(kind.__doc__),
            "",
            "| name | type | meaning |",
            "|---|---|---|",
        )
        for each in fields(kind):
            meaning = descriptions.get(
                each.name, f"see [{_name(hints[each.name])}](#{_name(hints[each.name]).lower()})"
            )
            yield f"| `{each.name}` | {_name(hints[each.name])} | {meaning} |"
        yield ""


def find_kinds(kind: Any) -> list[Any]:  # noqa: ANN401 - any dataclass
    """Return a dataclass and all that are within it, each once."""
    found = [kind]
    for hint in hints_of(kind).values():
        for inner in (hint, *get_args(hint)):
            if is_dataclass(inner):
                found += [each for each in find_kinds(inner) if each not in found]
    return found


def descriptions_of(kind: Any) -> Mapping[str, str]:  # noqa: ANN401 - any dataclass
    """Return the descriptions of the fields of a dataclass that have one, by name."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: get_args(hint)[1] for name, hint in hints.items() if get_origin(hint) is Annotated}


def _name(hint: Any) -> str:  # noqa: ANN401 - a type of any kind
    """Return the name of a type as JSON has it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        return " or ".join(map(_name, arguments))
    if origin is tuple:
        return f"list of {_name(arguments[0])}"
    if origin is Mapping:
        return f"object of {_name(arguments[1])}"
    return _SCALARS.get(hint) or str(hint.__name__)


def _describe(hint: Any) -> dict[str, object]:  # noqa: ANN401 - a type of any kind
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        return {"anyOf": [_describe(each) for each in arguments]}
    if origin is tuple:
        return {"type": "array", "items": _describe(arguments[0])}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _describe(arguments[1])}
    return {"type": _SCALARS[hint]} if hint in _SCALARS else {"$ref": f"#/$defs/{hint.__name__}"}


def _describe_kind(kind: Any) -> dict[str, object]:  # noqa: ANN401 - any dataclass
    descriptions = descriptions_of(kind)
    return {
        "type": "object",
        "description": kind.__doc__,
        "properties": {
            name: _describe(hint) | ({"description": descriptions[name]} if name in descriptions else {})
            for name, hint in hints_of(kind).items()
        },
        "required": [each.name for each in fields(kind)],
    }
