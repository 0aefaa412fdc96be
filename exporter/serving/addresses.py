"""Listen on addresses, and distinguish temporary errors from permanent ones."""

import errno
import os
import re
import socket
from typing import Final

_ADDRESS: Final = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})", re.ASCII)
_LAST_PORT: Final = 65535
_BACKLOG: Final = 512  # as many as MAX_CONNECTIONS, so that a burst of scrapes waits in the kernel
# Temporary: a VPN or DHCP comes up later, another process still holds the port, DNS is not up.
_TEMPORARY: Final = {
    errno.EADDRNOTAVAIL,
    errno.EADDRINUSE,
    errno.ENETDOWN,
    errno.ENODEV,
    errno.ENOBUFS,
    errno.ENOMEM,
}
_TEMPORARY_NAMES: Final = {socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_SYSTEM, socket.EAI_MEMORY}


class ServerError(Exception):
    """An address cannot be listened on; the text names it and the cause."""


class NotYetError(ServerError):
    """An address cannot be listened on yet; the error may be temporary."""


def bind(address: str) -> socket.socket:
    """Return a listening socket; an address is ``:PORT`` (both families), ``HOST:PORT`` or ``[IPV6]:PORT``.

    It may take long where DNS is slow. Raises NotYetError and ServerError.
    """
    form = _ADDRESS.fullmatch(address)
    if not form or int(form["port"]) > _LAST_PORT:
        raise ServerError(f"{address!r} is not :PORT, HOST:PORT or [IPV6]:PORT")
    host = form["ipv6"] or form["host"]
    try:
        listening = _listen(host, int(form["port"]))
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME and (device := _find_missing_device(host)):
            raise NotYetError(f"{address}: there is no network device {device}") from error
        kind = NotYetError if error.errno in _TEMPORARY_NAMES else ServerError
        raise kind(f"{address}: {error.strerror}") from error
    except OSError as error:
        kind = NotYetError if error.errno in _TEMPORARY else ServerError
        raise kind(f"{address}: {os.strerror(error.errno or 0)}") from error
    listening.setblocking(False)  # noqa: FBT003 - the standard library names no keyword
    return listening


def _listen(host: str, port: int) -> socket.socket:
    if host:
        family, _, _, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(target, family=family, backlog=_BACKLOG)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
    return socket.create_server(("", port), backlog=_BACKLOG)


def _find_missing_device(host: str) -> str:
    """Return the network device that an address such as fe80::1%wg0 names, if it is not there."""
    ipv6, _, device = host.partition("%")
    try:
        socket.inet_pton(socket.AF_INET6, ipv6)
    except OSError:
        return ""
    return device if device not in {name for _, name in socket.if_nameindex()} else ""


def format_address(listening: socket.socket) -> str:
    """Return where a socket listens, as ``HOST:PORT`` or ``[IPV6]:PORT``."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if listening.family == socket.AF_INET6 else f"{host}:{port}"
