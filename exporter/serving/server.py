"""Listen, and serve an application over HTTP.

Hypercorn speaks HTTP, and drops a client that has not sent a whole request after a few seconds, however it
trickles. What it lacks is here: a bound on the clients connected at once, and an end to those that do not
read their answer.
"""

import asyncio
import contextlib
import os
import re
import resource
import socket
from collections.abc import Iterable, Sequence
from typing import Final

import structlog
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.utils import wrap_app
from starlette.types import ASGIApp

MOST_CONNECTIONS: Final = 512

_ADDRESS: Final = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})", re.ASCII)
_LAST_PORT: Final = 65535
_BACKLOG: Final = 128
_OWN_DESCRIPTORS: Final = 16  # for the tables, the log, the event loop and the listeners
_CLOSED: Final = -1  # what fileno() says of a closed socket
_MOST_REQUESTS: Final = 100  # of one connection, also of a client that asks for all of them at once
_IDLE_SECONDS: Final = 5
_SILENT_SECONDS: Final = 10  # also for those who speak HTTP/2, whose connections are never found idle
_GRACE_SECONDS: Final = 5
_TAKEN_SECONDS: Final = 0.1  # whoever was accepted at last has sent its request by then
_UNREAD_MILLISECONDS: Final = 10_000
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)


log = structlog.get_logger()


class ServerError(Exception):
    """An address cannot be listened on; the text names it and the cause."""


class Listener(socket.socket):
    """A listening socket that accepts so many connections at once, and turns the rest away."""

    connected: set[socket.socket]
    most_connections: int

    def accept(self) -> tuple[socket.socket, object]:
        """Accept a connection; raises BlockingIOError when there is none that can be served."""
        connection, address = super().accept()
        if not self._has_room():
            with connection, contextlib.suppress(OSError):  # it may have left
                connection.setblocking(False)  # noqa: FBT003 - the standard library names no keyword
                connection.send(_BUSY)
            raise BlockingIOError
        # The kernel ends a connection whose other side leaves its window shut this long.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MILLISECONDS)
        self.connected.add(connection)
        return connection, address

    def _has_room(self) -> bool:
        if len(self.connected) >= self.most_connections:
            self.connected.difference_update([each for each in self.connected if each.fileno() == _CLOSED])
        return len(self.connected) < self.most_connections


def bind(addresses: Iterable[str]) -> list[Listener]:
    """Return a listener for each address: ``:PORT`` for IPv4 and IPv6, ``HOST:PORT`` or ``[IPV6]:PORT``.

    Raises ServerError.
    """
    return adopt(_bind(address) for address in addresses)


def adopt(sockets: Iterable[socket.socket]) -> list[Listener]:
    """Return a listener in the place of each socket; together they accept so many connections at once."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most_connections = max(1, min(MOST_CONNECTIONS, descriptors - _OWN_DESCRIPTORS))
    connected: set[socket.socket] = set()
    listeners = []
    for each in sockets:
        listener = Listener(fileno=each.detach())
        listener.connected, listener.most_connections = connected, most_connections
        listeners.append(listener)
    return listeners


def _bind(address: str) -> socket.socket:
    form = _ADDRESS.fullmatch(address)
    if not form or int(form["port"]) > _LAST_PORT:
        raise ServerError(f"{address!r} is not :PORT, HOST:PORT or [IPV6]:PORT")
    host, port = form["ipv6"] or form["host"], form["port"]
    try:
        if host:
            family, _, _, _, target = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
            return socket.create_server(target, family=family, backlog=_BACKLOG)
        if socket.has_dualstack_ipv6():
            return socket.create_server(
                ("", int(port)), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
            )
        return socket.create_server(("", int(port)), backlog=_BACKLOG)
    except socket.gaierror as error:
        raise ServerError(f"{address}: {error.strerror}") from error
    except OSError as error:
        raise ServerError(f"{address}: {os.strerror(error.errno or 0)}") from error


def format_address(listening: socket.socket) -> str:
    """Return where a socket listens, as ``HOST:PORT`` or ``[IPV6]:PORT``."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if listening.family == socket.AF_INET6 else f"{host}:{port}"


class _Connection(TCPServer):
    """Lets go of a client that has left, where Hypercorn would answer it on, or wait for it to be idle."""

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, RawData) and self.writer.is_closing():
            await self.protocol.handle(Closed())
        else:
            await super().protocol_send(event)

    async def run(self) -> None:
        """Serve the client until it leaves, or the kernel gives it up because it does not read."""
        try:
            await super().run()
        except* OSError:
            log.debug("a client was lost")
        except* Exception:
            log.debug("a client broke the protocol", exc_info=True)

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()  # an exporter of CLOSE_WAIT keeps no socket in it


async def serve(app: ASGIApp, listeners: Sequence[Listener], stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set; then finish the requests under way, for a few seconds at most."""
    config = Config()
    config.include_server_header = False
    config.keep_alive_timeout = _IDLE_SECONDS
    config.keep_alive_max_requests = _MOST_REQUESTS
    config.read_timeout = _SILENT_SECONDS
    config.accesslog = config.errorlog = None
    wrapped = wrap_app(app, config.wsgi_max_body_size, mode="asgi")  # type: ignore[arg-type]  # the same protocol
    loop, context = asyncio.get_running_loop(), WorkerContext(max_requests=None)
    connections: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = loop.create_task(_Connection(wrapped, loop, config, context, {}, reader, writer).run())
        connections.add(connection)
        connection.add_done_callback(connections.discard)

    servers = [await asyncio.start_server(answer, sock=listener, backlog=_BACKLOG) for listener in listeners]
    await stop.wait()
    for listener in listeners:
        loop.remove_reader(listener)
    await asyncio.sleep(0)  # those accepted just now are handed over, as a closed server does not do
    for server in servers:
        server.close()
    await asyncio.sleep(_TAKEN_SECONDS)
    await context.terminated.set()
    if connections:
        await asyncio.wait(connections, timeout=_GRACE_SECONDS)
