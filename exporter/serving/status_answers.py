"""Answer with the status: as a page, and as JSON, made at most once for each snapshot."""

import dataclasses
import hashlib
import time
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.sampling.snapshot import Snapshot
from exporter.serving.messages import Answer, Request, say
from exporter.serving.negotiation import accepts_gzip
from exporter.serving.sharing import Shared
from exporter.status import thresholds
from exporter.status.context import Context
from exporter.status.history import History

if TYPE_CHECKING:
    from exporter.status.model import Status

_COMMON: Final = {
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_QUERIES: Final = {"": True, "refresh=on": True, "refresh=off": False}
_LEAST_REFRESH_SECONDS: Final = 2
_WAIT: Final = {"Retry-After": "1"}
_GZIP: Final = zlib.MAX_WBITS | 16
_GZIP_LEVEL: Final = 1


class Moment(NamedTuple):
    """What a status is of; None before the first snapshot."""

    snapshot: Snapshot | None
    context: Context


class Variant(NamedTuple):
    """A form of the answer: a page, which may refresh itself, or JSON; zipped or not."""

    is_page: bool
    refreshes: bool
    zipped: bool


class Body(NamedTuple):
    """What is sent."""

    content: bytes
    headers: Mapping[str, str]


class StatusAnswers:
    """Makes the answers. ``newest`` returns the newest snapshot, ``describe`` what is not in it."""

    def __init__(
        self,
        newest: Callable[[], Snapshot | None],
        describe: Callable[[], Context],
        history: History,
        cpu_budget: Callable[[], float],
        charge: Callable[[float], None],
    ) -> None:
        self._snapshot = newest
        self._describe = describe
        self._history = history
        self._shared = Shared(self._find_moment, self._make, cpu_budget, charge)
        self._status: tuple[Moment | None, Status | None] = (None, None)

    async def page(self, request: Request) -> Answer:
        """Answer with the page; ``?refresh=off`` is one that does not refresh itself."""
        refreshes = _QUERIES.get(request.query)
        if refreshes is None:
            return say(400, "the only query here is refresh=off, which stops the page from refreshing itself")
        variant = Variant(is_page=True, refreshes=refreshes, zipped=_accepts_gzip(request))
        return _answer(request, await self._shared.get(variant))

    async def json(self, request: Request) -> Answer:
        """Answer with JSON."""
        if request.query:
            return say(400, "no query is allowed here")
        if self._snapshot() is None:
            return say(503, "the first pass is not finished", _WAIT)
        variant = Variant(is_page=False, refreshes=False, zipped=_accepts_gzip(request))
        return _answer(request, await self._shared.get(variant))

    def _find_moment(self) -> Moment:
        snapshot, context = self._snapshot(), self._describe()
        if snapshot is not None:
            age_seconds = time.monotonic() - snapshot.taken_at_monotonic
            pace_seconds = snapshot.interval_seconds + snapshot.duration_seconds
            if thresholds.STALE.is_exceeded(age_seconds - thresholds.STALE_PASSES.value * pace_seconds):
                context = dataclasses.replace(context, age_seconds=age_seconds // 60 * 60)
        return Moment(snapshot, context)

    def _make(self, moment: Moment, variant: Variant) -> Body:
        from exporter.serving.status_bodies import make_json, make_page  # noqa: PLC0415 - see there

        status = self._find_status(moment)
        if variant.is_page or status is None:
            seconds = _refresh_seconds(moment.snapshot) if variant.refreshes else None
            content, headers = make_page(status, seconds)
        else:
            content, headers = make_json(status)
        tag = {"ETag": f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'}
        zipped = {"Content-Encoding": "gzip"} if variant.zipped else {}
        return Body(_zip(content) if variant.zipped else content, {**headers, **_COMMON, **tag, **zipped})

    def _find_status(self, moment: Moment) -> "Status | None":
        """Return the status of a moment, which all its variants share; two threads may make it at once."""
        from exporter.serving.status_bodies import make_status  # noqa: PLC0415 - see there

        if moment.snapshot is None:
            return None
        of, status = self._status
        if status is None or of is not moment:
            status = make_status(moment.snapshot, self._history, moment.context)
            self._status = moment, status
        return status


def _answer(request: Request, body: Body) -> Answer:
    """Return a body, or that the client has it already."""
    known = (tag.strip() for tag in request.headers.get("if-none-match", "").split(","))
    if body.headers["ETag"] in known:
        kept = {name: value for name, value in body.headers.items() if not name.startswith("Content-")}
        return Answer(304, [], kept)
    return Answer(200, [body.content], body.headers)


def _refresh_seconds(snapshot: Snapshot | None) -> int:
    """Return after how many seconds there may be another page."""
    return max(_LEAST_REFRESH_SECONDS, round(snapshot.interval_seconds) if snapshot else 0)


def _accepts_gzip(request: Request) -> bool:
    return accepts_gzip(request.headers.get("accept-encoding", ""))


def _zip(content: bytes) -> bytes:
    compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)
    return compressor.compress(content) + compressor.flush()
