"""Write to a connection, through the channel to the socket, as fast as the client reads."""

import asyncio
import contextlib
import socket
from typing import Final

from exporter.serving.channel import Channel
from exporter.serving.framing import PIECE_BYTES

_LAST_SECONDS: Final = 1.0
_UNREAD_MILLISECONDS: Final = 15_000  # for what is left after the end of the answer, in the kernel


class Outlet:
    """Sends what goes through a channel, from when it is opened until the connection is lost."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._transport: asyncio.Transport | None = None
        self._writable: asyncio.Future[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is still a connection."""
        return self._transport is not None and not self._transport.is_closing()

    def open(self, transport: asyncio.Transport) -> None:
        """Start with a connection; limit how much unread data its socket keeps, and for how long."""
        self._transport = transport
        connected = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # the client may have left
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE_BYTES)  # or it grows to megabytes
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MILLISECONDS)
            # Or the rest of an answer waits for the acknowledgement of its beginning, which is delayed.
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=0)

    def lose(self) -> None:
        """Forget the connection."""
        self._transport = None

    def pause(self) -> None:
        """Note that the socket buffer is full."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        """Note that the socket buffer has space."""
        if self._writable and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    async def write(self, data: bytes) -> None:
        """Send, and wait until the socket buffer has space; raises ConnectionAbortedError."""
        if self._transport is None:
            raise ConnectionAbortedError
        if data:
            self._transport.write(self._channel.wrap(data))
        if self._writable:
            await self._writable

    def pass_on(self, data: bytes) -> None:
        """Send what comes from the channel itself."""
        if data and self._transport:
            self._transport.write(data)

    def end(self) -> None:
        """End the stream, if the client is still connected."""
        if self._transport:
            self.pass_on(self._channel.end())
            try:
                self._transport.write_eof()
            except OSError:  # it has sent RST, but the event loop does not know yet
                self._transport.abort()

    def close(self) -> None:
        """Close; unsent data is dropped after a second."""
        if self._transport:
            self._transport.close()
            asyncio.get_running_loop().call_later(_LAST_SECONDS, self.abort)

    def abort(self) -> None:
        """Close at once."""
        if self._transport:
            self._transport.abort()
