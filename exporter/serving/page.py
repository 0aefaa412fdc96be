"""Encode the metrics page, once per snapshot and format.

A page has two parts. The first has all samples of the snapshot. It is encoded outside the event loop at the
first request, and is the same bytes for all clients until there is another snapshot. The second has the
metrics of the exporter itself, such as the age of the snapshot. It is small, and at most a tenth of a second
old. Both make one gzip stream without compressing the first part twice: parts of a deflate stream that do not
refer to earlier ones can be joined, see RFC 1951.
"""

import math
import struct
import time
import zlib
from collections.abc import Callable
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from exporter.sampling.snapshot import Snapshot
from exporter.serving.messages import Answer
from exporter.serving.metrics import OwnCollector, SnapshotCollector, Status
from exporter.serving.negotiation import accepts_gzip, prefers_openmetrics
from exporter.serving.sharing import Shared

# A client gets one of two versions, whatever it lists: the names of the metrics need nothing newer.
_OPENMETRICS: Final = choose_encoder("application/openmetrics-text;version=1.0.0")
_TEXT: Final = choose_encoder("text/plain;version=0.0.4")
_END_OF_OPENMETRICS: Final = b"# EOF\n"
_FRESH_SECONDS: Final = 0.1  # the second part is reused for so long
_GZIP_LEVEL: Final = 1  # a page of labels shrinks to a tenth already
_GZIP_HEAD: Final = b"\x1f\x8b\x08\0\0\0\0\0\x04\xff"  # deflate, no name, no time; RFC 1952


class _Part(NamedTuple):
    """The first part of a page, as it is sent, with the size and checksum that end a gzip stream."""

    snapshot: Snapshot | None
    body: bytes
    size: int
    checksum: int


def encode_text(snapshot: Snapshot, status: Status) -> bytes:
    """Return a page of a snapshot as Prometheus text, without the metrics of the process."""
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(lambda: snapshot))
    registry.register(OwnCollector(lambda: status))
    encode, _ = _TEXT
    return encode(registry)


class Pages:
    """The metrics page, in any format that a client asks for.

    ``newest`` returns the newest snapshot. ``own`` has the metrics of the exporter itself; ``show_age`` gives
    them the age of the snapshot in seconds. Encoding takes at most ``cpu_budget`` of one core: when it is
    used up, the page is that of an older snapshot. ``charge`` is called with the CPU seconds of each
    encoding.
    """

    def __init__(
        self,
        newest: Callable[[], Snapshot | None],
        own: CollectorRegistry,
        show_age: Callable[[float | None], None],
        cpu_budget: Callable[[], float],
        charge: Callable[[float], None],
    ) -> None:
        self._own = own
        self._show_age = show_age
        self._parts = Shared(newest, _encode_part, cpu_budget, charge)
        self._ends: dict[bool, tuple[Snapshot | None, float, bytes]] = {}

    async def get(self, accept: str, accept_encoding: str) -> Answer:
        """Return the page in the format that the headers ask for; concurrent requests share one encoding."""
        as_openmetrics, zipped = prefers_openmetrics(accept), accepts_gzip(accept_encoding)
        part = await self._parts.get((as_openmetrics, zipped))
        end = self._encode_end(part.snapshot, as_openmetrics)
        _, content_type = _OPENMETRICS if as_openmetrics else _TEXT
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if not zipped:
            return Answer(200, [part.body, end], headers)
        trailer = struct.pack("<II", zlib.crc32(end, part.checksum), (part.size + len(end)) & 0xFFFFFFFF)
        zipped_end = _deflate(end, zlib.Z_FINISH) + trailer
        return Answer(200, [_GZIP_HEAD, part.body, zipped_end], {**headers, "Content-Encoding": "gzip"})

    def _encode_end(self, snapshot: Snapshot | None, as_openmetrics: bool) -> bytes:  # noqa: FBT001
        now = time.monotonic()
        of, at_seconds, end = self._ends.get(as_openmetrics, (None, -math.inf, b""))
        if of is not snapshot or now - at_seconds > _FRESH_SECONDS:
            self._show_age(now - snapshot.taken_at_monotonic if snapshot else None)
            encode, _ = _OPENMETRICS if as_openmetrics else _TEXT
            end = encode(self._own)
            self._ends[as_openmetrics] = snapshot, now, end
        return end


def _encode_part(snapshot: Snapshot | None, variant: tuple[bool, bool]) -> _Part:
    """Encode a snapshot, as OpenMetrics or not, zipped or not."""
    as_openmetrics, zipped = variant
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(lambda: snapshot))
    encode, _ = _OPENMETRICS if as_openmetrics else _TEXT
    text = encode(registry).removesuffix(_END_OF_OPENMETRICS)
    body = _deflate(text, zlib.Z_FULL_FLUSH) if zipped else text
    return _Part(snapshot, body, len(text), zlib.crc32(text))


def _deflate(data: bytes, flush: int) -> bytes:
    """Compress to a byte-aligned part of a deflate stream, which does not refer to other parts."""
    compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush(flush)
