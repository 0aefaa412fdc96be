"""Accept connections, and serve each over HTTP/1.1 only.

h11 parses, asyncio's transports send and receive, and this package has every limit. Measured on two cores,
with a scrape from another address every 20 ms for 6 s while tests/support/attackers.py attacked: the share of
them answered with 200, and their 99th percentile.

| attack                          | h11, this module | uvicorn 0.54, h11 | Hypercorn 0.18, extended |
|---------------------------------|------------------|-------------------|--------------------------|
| 560 idle, that reconnect        | 100 %, 28 ms     |   6 %             |  12 %                    |
| 2,600 headers, 40 connections   | 100 %, 27 ms     | 100 %, 624 ms     | 100 %, 2,033 ms          |
| 560 headers that never end      | 100 %, 20 ms     |  10 %             |  40 %                    |
| HTTP/2 by prior knowledge       | 100 %, 14 ms     | 100 %, 91 ms      | 100 %, SIGTERM takes 5 s |
| 560 that do not read            | 100 %, 24 ms     | 100 %, 715 ms     |  97 %, 3,409 ms          |
| resident with these imports     | 20 MB            | 26 MB             | 27 MB                    |

uvicorn limits neither the time of a request nor the connections of one address, and logs a line for each
malformed request. Hypercorn serves HTTP/2, and half of the limits needed overrides of its private parts. None
of them, nor granian (27 MB), has a way to add the missing limits from outside.
"""

import asyncio
import contextlib
import errno
import os
import resource
import socket
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from exporter.serving.addresses import format_address
from exporter.serving.admission import MAX_CONNECTIONS, Admission, identify
from exporter.serving.channel import PlainChannel, TlsChannel
from exporter.serving.connection import Connection, Respond
from exporter.serving.messages import BUSY
from exporter.serving.security import Security

_OWN_DESCRIPTORS: Final = 16  # for the tables, the log, the event loop and the listeners
_ACCEPTS_AT_ONCE: Final = 64  # then the connected clients get their turn
_PAUSE_SECONDS: Final = 1.0
_TAKEN_SECONDS: Final = 0.1  # by then the last client has sent its request
_GRACE_SECONDS: Final = 3.0
_ASKED_BYTES: Final = 1 << 16
_GONE: Final = {errno.ECONNABORTED, errno.EPROTO, errno.EPERM}  # of one connection: accept(2), Linux
log = structlog.get_logger()


def limit_connections() -> int:
    """Return the limit of connections that the descriptors of this process allow."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(MAX_CONNECTIONS, descriptors - _OWN_DESCRIPTORS))


class Server:
    """Serves the answers of ``respond`` to the clients that ``security`` and ``admission`` allow."""

    def __init__(self, respond: Respond, security: Security, admission: Admission) -> None:
        self._respond = respond
        self._security = security
        self._admission = admission
        self._loop = asyncio.get_running_loop()
        self._listeners: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._paused = False

    def listen(self, listeners: Iterable[socket.socket]) -> None:
        """Accept connections on more sockets."""
        for listener in listeners:
            self._listeners.append(listener)
            self._loop.add_reader(listener, self._accept, listener)

    def addresses(self) -> list[str]:
        """Return the addresses that accept connections."""
        return [format_address(listener) for listener in self._listeners]

    def close_connections(self) -> None:
        """Close every connection, after at most one more answer: the web settings have changed."""
        self._for_each_connection(Connection.retire)

    async def stop(self) -> None:
        """Stop accepting, finish current requests within a few seconds, and close."""
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            listener.close()
        self._listeners.clear()
        await asyncio.sleep(_TAKEN_SECONDS)
        self._for_each_connection(Connection.stop)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_GRACE_SECONDS)
        self._for_each_connection(Connection.abort)

    def _for_each_connection(self, act: Callable[[Connection], None]) -> None:
        for connection in self._admission.connections():
            if isinstance(connection, Connection):
                act(connection)

    def _accept(self, listener: socket.socket) -> None:
        """Accept waiting connections; on an error of the system, log it once and retry later."""
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                accepted, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _GONE:
                    continue
                self._pause(listener, error)
                return
            self._admit(accepted, identify(address[0]))
            if self._paused:
                self._paused = False
                log.info("accepting connections again")

    def _pause(self, listener: socket.socket, error: OSError) -> None:
        if not self._paused:
            self._paused = True
            log.error("cannot accept connections, retrying", error=os.strerror(error.errno or 0))
        self._loop.remove_reader(listener)
        self._loop.call_later(_PAUSE_SECONDS, self._resume, listener)

    def _resume(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener)
            self._accept(listener)

    def _admit(self, accepted: socket.socket, client: bytes) -> None:
        accepted.setblocking(False)  # noqa: FBT003 - the standard library names no keyword
        if not self._admission.try_admit(client):
            with accepted, contextlib.suppress(OSError):
                if self._security.settings.tls is None:
                    accepted.send(BUSY)
                    accepted.recv(_ASKED_BYTES)  # closing a socket with unread bytes would reset it
            return
        tls = self._security.settings.tls
        channel = TlsChannel(tls, self._security.allows) if tls else PlainChannel()
        connection = Connection(client, self._respond, self._admission, channel)
        self._admission.enter(client, connection)
        task = self._loop.create_task(self._connect(connection, accepted, client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: Connection, accepted: socket.socket, client: bytes) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, accepted)
            await connection.closed.wait()
        except OSError:
            self._admission.leave(client, connection)
            accepted.close()
