"""Encode the metrics page: at most once per snapshot and format, off the event loop."""

import asyncio
import gzip
from collections.abc import Callable
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder, gzip_accepted

from exporter.sampling.snapshot import Snapshot
from exporter.serving.metrics import ExporterCollector, Status

# Whatever versions and escapings a client lists, it gets one of two: our names need nothing newer.
_OPENMETRICS: Final = choose_encoder("application/openmetrics-text;version=1.0.0")
_TEXT: Final = choose_encoder("text/plain;version=0.0.4")
_GZIP_LEVEL: Final = 1  # a page of labels shrinks to a tenth already


def encode_text(snapshot: Snapshot, status: Status) -> bytes:
    """Return a page of a snapshot as Prometheus text, without the metrics of the process."""
    registry = CollectorRegistry()
    registry.register(ExporterCollector(lambda: snapshot, lambda: status))
    encode, _ = _TEXT
    return encode(registry)


class Page(NamedTuple):
    """An encoded page and the headers that say how."""

    body: bytes
    headers: dict[str, str]


class Pages:
    """The metrics page, in whichever format is asked for.

    ``state`` returns what a page is made of: it is encoded again when one of these is another object.
    """

    def __init__(self, registry: CollectorRegistry, state: Callable[[], tuple[object, ...]]) -> None:
        self._registry = registry
        self._state = state
        self._encoded_from: tuple[object, ...] = ()
        self._pages: dict[tuple[bool, bool], asyncio.Future[Page]] = {}

    async def get(self, accept: str, accept_encoding: str) -> Page:
        """Return the page as a client's headers ask for it; requests at the same time share one encoding."""
        state = self._state()
        if list(map(id, state)) != list(map(id, self._encoded_from)):
            self._encoded_from, self._pages = state, {}
        variant = _prefers_openmetrics(accept), gzip_accepted(accept_encoding)
        if variant not in self._pages or self._pages[variant].cancelled():
            self._pages[variant] = asyncio.ensure_future(asyncio.to_thread(self._encode, *variant))
        page = self._pages[variant]
        try:
            return await asyncio.shield(page)
        except Exception:
            self._pages.pop(variant, None)
            raise

    def _encode(self, as_openmetrics: bool, zipped: bool) -> Page:  # noqa: FBT001
        encode, content_type = _OPENMETRICS if as_openmetrics else _TEXT
        body = encode(self._registry)
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if zipped:
            return Page(gzip.compress(body, _GZIP_LEVEL, mtime=0), {**headers, "Content-Encoding": "gzip"})
        return Page(body, headers)


def _prefers_openmetrics(accept: str) -> bool:
    try:
        _, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # prometheus_client on a version that is none
        return False
    return content_type.startswith("application/openmetrics-text")
