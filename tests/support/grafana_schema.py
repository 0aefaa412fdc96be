"""Hold dashboards to Grafana's own schema, by the types that grafana-foundation-sdk generates from it.

    python -m tests.support.grafana_schema FILE...

The package has one version for each release of Grafana. ``make schema`` runs this with the oldest that we
support, and with the newest.
"""

import enum
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

UNKNOWN_TO_SOME: Final = (
    "/id",  # null means that Grafana gives the dashboard a number of its own
    # The schema of an annotation leaves its data source's own fields out, before Grafana 12.
    "/annotations/list/*/step",
    "/annotations/list/*/tagKeys",
    "/annotations/list/*/textFormat",
    "/annotations/list/*/titleFormat",
    # Grafana 10.3 writes these for every variable, though its schema does not have them.
    "/templating/list/*/allValue",
    "/templating/list/*/includeAll",
)
"""Where an older schema lacks what Grafana itself reads and writes."""

plugins.register_default_plugins()


def find_faults(dashboard: object) -> list[str]:
    """Return the places of what Grafana's schema does not know in a dashboard, or knows of another type."""
    assert isinstance(dashboard, dict)
    model = models.Dashboard.from_json(dashboard)
    read = json.loads(JSONEncoder().encode(model))
    return [*find_lost(dashboard, read, ""), *find_mistyped(model, "")]


def find_lost(written: object, read: object, place: str) -> Iterator[str]:
    """Yield the places of values that Grafana's types do not keep."""
    if place in UNKNOWN_TO_SOME:
        return
    if isinstance(written, dict) and isinstance(read, dict):
        for key, value in written.items():
            yield from find_lost(value, read.get(key), f"{place}/{key}")
    elif isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        for one, other in zip(written, read, strict=True):
            yield from find_lost(one, other, f"{place}/*")
    elif written != read:
        yield f"{place}: {written!r} is not kept"


def find_mistyped(model: object, place: str) -> Iterator[str]:
    """Yield the places of values that are not of the type of their attribute."""
    for name, hint in get_type_hints(type(model)).items():
        yield from check(getattr(model, name), hint, f"{place}/{name}")


def check(value: object, hint: Any, place: str) -> Iterator[str]:  # noqa: ANN401 - a type of any kind
    """Yield the places within a value that do not fit the hint of its type."""
    kinds = [each for each in (get_args(hint) or [hint]) if isinstance(each, type)]
    if hasattr(value, "to_json") and (object in kinds or isinstance(value, tuple(kinds))):
        yield from find_mistyped(value, place)
    elif isinstance(value, dict) and hasattr(hint, "from_json"):  # not every list is read into its types
        yield from find_mistyped(hint.from_json(value), place)
    elif get_origin(hint) in {Union, UnionType}:
        found = [list(check(value, each, place)) for each in get_args(hint) if each is not NoneType]
        if not (value is None and NoneType in kinds) and all(found):
            yield from found[0]
    elif get_origin(hint) in {list, dict} and isinstance(value, get_origin(hint)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from check(each, get_args(hint)[-1], f"{place}/*")
    elif not is_of(value, hint):
        yield f"{place}: {value!r} is not {hint}"


def is_of(value: object, hint: Any) -> bool:  # noqa: ANN401 - a type of any kind
    """Tell whether a value that holds no others fits the hint of its type."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return value in [member.value for member in hint]
    if isinstance(value, bool):
        return hint in {bool, Any, object}
    kind = float | int if hint is float else hint
    return hint in {Any, object} or (isinstance(kind, type | UnionType) and isinstance(value, kind))


def main() -> int:
    """Print the faults of the files; return 1 if there are any."""
    dashboards = {path: json.loads(Path(path).read_text()) for path in sys.argv[1:]}
    faults = [f"{path}{fault}" for path, read in dashboards.items() for fault in find_faults(read)]
    print("\n".join(faults) or "as Grafana's schema has it")  # noqa: T201 - a command
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
