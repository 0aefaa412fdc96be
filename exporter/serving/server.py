"""Listen, and serve an application over HTTP."""

import asyncio
import os
import socket
from collections.abc import Iterable, Sequence
from typing import Final

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from starlette.types import ASGIApp

_BACKLOG: Final = 100
_LAST_PORT: Final = 65535
_GRACE_SECONDS: Final = 5
_IDLE_SECONDS: Final = 5


class ServerError(Exception):
    """An address cannot be listened on; the text names it and the cause."""


def bind(addresses: Iterable[str]) -> list[socket.socket]:
    """Return a bound socket for each address: ``:PORT`` on IPv4 and IPv6, ``HOST:PORT`` or ``[IPV6]:PORT``.

    Raises ServerError.
    """
    return [_bind(address) for address in addresses]


def _bind(address: str) -> socket.socket:
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdecimal() or int(port) > _LAST_PORT:
        raise ServerError(f"{address!r} is not :PORT, HOST:PORT or [IPV6]:PORT")
    try:
        if host:
            family, _, _, _, target = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
            return socket.create_server(target[:2], family=family)
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", int(port)))
    except socket.gaierror as error:
        raise ServerError(f"{address}: {error.strerror}") from error
    except OSError as error:
        raise ServerError(f"{address}: {os.strerror(error.errno or 0)}") from error


def format_address(listening: socket.socket) -> str:
    """Return where a socket listens, as ``HOST:PORT`` or ``[IPV6]:PORT``."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if listening.family == socket.AF_INET6 else f"{host}:{port}"


async def serve(app: ASGIApp, sockets: Sequence[socket.socket], stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set; then finish the requests under way, for a few seconds at most."""
    config = Config()
    config.bind = [f"fd://{listening.fileno()}" for listening in sockets]
    config.include_server_header = False
    config.graceful_timeout = _GRACE_SECONDS
    config.keep_alive_timeout = _IDLE_SECONDS
    config.accesslog = config.errorlog = None
    await hypercorn_serve(app, config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]  # same protocol, other names
