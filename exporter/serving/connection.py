"""Serve HTTP/1.1 to one untrusted client.

1. A connection ends, whatever the client sends: each stage has a timeout, and requests are limited.
2. A request is its head, at most 16 KiB in 64 headers, counted before they are parsed; a body is refused.
3. An answer is written in pieces, as the client reads them: none is in memory twice.
4. A refused client gets an answer, and time to read it: closing a socket with unread bytes resets the
   connection, and the client would lose the answer.
5. After the client's FIN the socket is closed soon: it does not stay in CLOSE_WAIT.

h11 parses the head and frames the answer; see RFC 9112.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

import h11

from exporter.serving.admission import Admission
from exporter.serving.channel import Channel
from exporter.serving.framing import frame_answer
from exporter.serving.messages import BUSY, Answer, RefusalError, Request, say
from exporter.serving.outlet import Outlet
from exporter.serving.parsing import LARGEST_HEAD_BYTES, cut_head, is_probe, parse_head

_MAX_REQUESTS: Final = 100
_LONGEST_LIFE_SECONDS: Final = 60.0
_REQUEST_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 10.0
_HALF_CLOSED_SECONDS: Final = 0.5
_LINGER_SECONDS: Final = 1.0
_MAX_WIRE_BYTES: Final = 64 << 10  # of one request, with what TLS adds
_MAX_LINGERED_BYTES: Final = 1 << 20

Respond = Callable[[Request], Awaitable[Answer]]


class Connection(asyncio.Protocol):
    """A connection that was admitted."""

    def __init__(
        self,
        client: bytes,
        respond: Respond,
        admission: Admission,
        channel: Channel,
    ) -> None:
        self.closed = asyncio.Event()
        self._client = client
        self._respond = respond
        self._admission = admission
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._outlet = Outlet(channel)
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD_BYTES)
        self._buffer = bytearray()
        self._wire_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._requests = 0
        self._is_head = False
        self._opened_at = self._loop.time()
        self._lingers = False
        self._stops = False

    def is_idle(self) -> bool:
        """Return whether no request is being answered."""
        return self._task is None

    def displace(self) -> None:
        """Close at once; a client that has sent no request yet gets a 503."""
        if self._task is None and not self._requests and self._channel.is_open and not self._lingers:
            self._outlet.pass_on(self._channel.wrap(BUSY))
            self._outlet.close()
        else:
            self._outlet.abort()

    def retire(self) -> None:
        """Close after the next answer, or now if there was one already: the client may reconnect."""
        if self._requests:
            self.stop()
        self._stops = True

    def stop(self) -> None:
        """Close when the current request is answered."""
        self._stops = True
        if self._task is None and not self._lingers:
            self._close()

    def abort(self) -> None:
        """Close at once, even during an answer."""
        self._outlet.abort()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request."""
        if isinstance(transport, asyncio.Transport):  # always true: a socket was accepted
            self._outlet.open(transport)
        self._expect_request()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - every cause has the same effect
        """Release everything."""
        self._stop_timer()
        if self._task:
            self._task.cancel()
        self._outlet.lose()
        self.closed.set()
        self._admission.leave(self._client, self)

    def pause_writing(self) -> None:
        """Note that the socket buffer is full."""
        self._outlet.pause()

    def resume_writing(self) -> None:
        """Note that the socket buffer has space."""
        self._outlet.resume()

    def eof_received(self) -> bool:
        """Close after the current answer, but soon."""
        if self._task is None or self._lingers:
            return False
        self._stops = True
        self._loop.call_later(_HALF_CLOSED_SECONDS, self.abort)
        return True

    def data_received(self, data: bytes) -> None:
        """Receive the bytes of requests."""
        self._wire_bytes += len(data)
        if self._lingers:
            if self._wire_bytes > _MAX_LINGERED_BYTES:
                self.abort()
            return
        try:
            data, reply = self._channel.receive(data)
        except ssl.SSLError:
            self._admission.rejections.connections["tls"] += 1
            self._outlet.pass_on(self._channel.fail())
            self._close()
            return
        self._outlet.pass_on(reply)
        if len(self._buffer) > LARGEST_HEAD_BYTES:  # the client sends far ahead of the answers
            self._stops = True
        else:
            self._buffer += data
        if self._task is None:
            self._take_request()
        if self._channel.has_ended and not self.eof_received():
            self._close()
        elif self._task is None and self._wire_bytes > _MAX_WIRE_BYTES:
            self.abort()  # TLS that carries nothing

    def _expect_request(self) -> None:
        self._stop_timer()
        self._wire_bytes = 0
        self._timer = self._loop.call_later(_REQUEST_SECONDS, self._give_up_request)

    def _give_up_request(self) -> None:
        if self._buffer or not self._requests:
            self._admission.rejections.connections["slow_request"] += 1
            if self._channel.is_open:
                self._start(self._refuse(say(408, "timeout: the request is incomplete")))
                return
        self._close()

    def _take_request(self) -> None:
        """Start to answer, as soon as there is a complete head, or an invalid one."""
        try:
            head = cut_head(self._buffer)
        except RefusalError as refusal:
            self._start(self._refuse(refusal.answer))
            return
        if head is not None:
            self._start(self._answer(head))

    def _start(self, work: Awaitable[None]) -> None:
        self._stop_timer()
        self._requests += 1
        self._task = asyncio.ensure_future(self._finish(work))

    async def _finish(self, work: Awaitable[None]) -> None:
        """Do the work within the timeout, and continue with the next request."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await work
        except TimeoutError:
            self._admission.rejections.connections["slow_reader"] += 1
            self.abort()
            return
        except (OSError, h11.LocalProtocolError):
            self.abort()
            return
        if not self._outlet.is_open:
            return
        self._task = None
        if self._http.our_state is h11.MUST_CLOSE or self._http.our_state is h11.ERROR or self._stops:
            self._linger()
            return
        self._http.start_next_cycle()
        self._expect_request()
        if self._buffer:
            self._take_request()

    async def _answer(self, head: bytes) -> None:
        await self._wait_for_turn(is_probe=is_probe(head))
        try:
            request = parse_head(self._http, head, self._client)
        except RefusalError as refusal:
            await self._send(refusal.answer, close=True)
            return
        self._is_head = request.method == "HEAD"
        answer = await self._respond(request)
        await self._send(answer, close=self._must_close())

    async def _refuse(self, answer: Answer) -> None:
        await self._wait_for_turn(is_probe=False)
        await self._send(answer, close=True)

    async def _wait_for_turn(self, *, is_probe: bool) -> None:
        if wait_seconds := self._admission.delay(self._client, is_probe=is_probe):
            await asyncio.sleep(wait_seconds)

    def _must_close(self) -> bool:
        is_old = self._loop.time() - self._opened_at > _LONGEST_LIFE_SECONDS
        return self._stops or is_old or self._requests >= _MAX_REQUESTS

    async def _send(self, answer: Answer, *, close: bool) -> None:
        """Send an answer, piece by piece as the client reads."""
        if answer.rejected:
            self._admission.rejections.requests[answer.rejected] += 1
        for piece in frame_answer(self._http, answer, close=close, has_body=not self._is_head):
            await self._outlet.write(piece)

    def _linger(self) -> None:
        """End the stream, and give the client time to read the answer and to close."""
        self._lingers = True
        self._wire_bytes = 0
        self._buffer.clear()
        self._outlet.end()
        self._timer = self._loop.call_later(_LINGER_SECONDS, self._close)

    def _close(self) -> None:
        self._stop_timer()
        self._outlet.close()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
