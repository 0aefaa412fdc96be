"""Turn a status into JSON and back; its shape is that of the dataclasses of ``model``."""

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from exporter.status.model import SCHEMA_VERSION, Status


class StatusError(Exception):
    """What should be a status is none, or has another version of the schema."""


def encode_status(status: Status) -> bytes:
    """Return a status as JSON, without blanks."""
    return json.dumps(_dump(status), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def decode_status(content: bytes) -> Status:
    """Return a status from JSON; keys that are not known are ignored. Raises StatusError."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StatusError(f"not JSON: {error}") from error
    version = found.get("schema_version") if isinstance(found, dict) else None
    if version != SCHEMA_VERSION:
        raise StatusError(f"schema_version is {version!r}, not {SCHEMA_VERSION}")
    status = _load(Status, found, "status")
    if not isinstance(status, Status):  # which it is
        raise StatusError("not a status")
    return status


def _dump(value: object) -> object:
    if is_dataclass(value):
        return {each.name: _dump(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    return [_dump(each) for each in value] if isinstance(value, tuple) else value


def _load(hint: Any, value: object, path: str) -> object:  # noqa: ANN401 - hints have no type in common
    """Return a value of the type that a hint of the model says; raises StatusError."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is types.UnionType:  # with None, always
        return None if value is None else _load(arguments[0], value, path)
    if origin is tuple and isinstance(value, list):
        return tuple(_load(arguments[0], each, path) for each in value)
    if origin is Mapping and isinstance(value, dict):
        return {key: _load(arguments[1], each, f"{path}.{key}") for key, each in value.items()}
    if isinstance(hint, type) and is_dataclass(hint) and isinstance(value, dict):
        known = hints_of(hint)
        missing = [each.name for each in fields(hint) if each.default is MISSING and each.name not in value]
        if missing:
            raise StatusError(f"{path}: {', '.join(missing)} missing")
        given = {name: _load(known[name], value[name], f"{path}.{name}") for name in known if name in value}
        made: object = hint(**given)
        return made
    is_scalar = origin is None and not is_dataclass(hint)
    allowed = (int, float) if hint is float else hint
    if is_scalar and isinstance(value, allowed) and (hint is bool or not isinstance(value, bool)):
        return value
    raise StatusError(f"{path}: {type(value).__name__} is not allowed here")


@cache
def hints_of(kind: Any) -> Mapping[str, Any]:  # noqa: ANN401 - any dataclass
    """Return the types of the fields of a dataclass, by name, without their descriptions."""
    return get_type_hints(kind)
