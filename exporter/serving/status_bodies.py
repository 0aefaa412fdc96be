"""Make the status and its two forms. Imported when somebody asks for one: so a host need not hold it."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Final

from exporter.sampling.snapshot import Snapshot
from exporter.status.build import build_status
from exporter.status.context import Context
from exporter.status.encoding import encode_status
from exporter.status.history import History
from exporter.status.model import Status

if TYPE_CHECKING:
    from exporter.serving.rendering import Renderer

_JSON: Final = {"Content-Type": "application/json; charset=utf-8"}


def make_status(snapshot: Snapshot, history: History, context: Context) -> Status:
    """Return the status at a snapshot."""
    return build_status(snapshot, history.until(snapshot), context)


def make_json(status: Status) -> tuple[bytes, Mapping[str, str]]:
    """Return the status as JSON, and its headers."""
    return encode_status(status), _JSON


def make_page(status: Status | None, refresh_seconds: int | None) -> tuple[bytes, Mapping[str, str]]:
    """Return the page, and its headers; there may be no status yet."""
    renderer = load_renderer()
    refresh = {} if refresh_seconds is None else {"Refresh": str(refresh_seconds)}
    return renderer.render(status, refresh_seconds), {**renderer.headers, **refresh}


@cache
def load_renderer() -> "Renderer":
    """Return what renders the page, loaded at the first call: JSON does not need it."""
    from exporter.serving.rendering import Renderer  # noqa: PLC0415 - see there

    return Renderer()
