"""Ask a running daemon for its status over HTTP, without proxies and redirects."""

import base64
import errno
import http.client
import ssl
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from exporter.files import read_regular_file
from exporter.status.encoding import StatusError, decode_status
from exporter.status.links import STATUS_PATH
from exporter.status.model import Status
from exporter.terminal.errors import ShowError, UsageError

_TIMEOUT_SECONDS: Final = 10.0
_LARGEST_BYTES: Final = 64 << 20
_LARGEST_PASSWORD_BYTES: Final = 4096


class AbsentError(ShowError):
    """Nothing listens at the address."""


class Daemon(NamedTuple):
    """Where a daemon is, and what it asks for: files of TLS, and a user with the file of the password."""

    url: str
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    user: str | None = None
    password_file: str | None = None


def ask_status(daemon: Daemon) -> Status:
    """Return the status of a daemon; raises ShowError, also as AbsentError or UsageError."""
    connection, path = _prepare(daemon)
    headers = {"Accept": "application/json", **_authorize(daemon)}
    try:
        connection.request("GET", path + STATUS_PATH, headers=headers)
        response = connection.getresponse()
        content = response.read(_LARGEST_BYTES)
    except (OSError, http.client.HTTPException) as error:
        kind = AbsentError if getattr(error, "errno", None) == errno.ECONNREFUSED else ShowError
        is_tls = isinstance(connection, http.client.HTTPSConnection)
        raise kind(f"{daemon.url}: {_explain_failure(error, is_tls=is_tls)}") from error
    finally:
        connection.close()
    if response.status != HTTPStatus.OK:
        raise ShowError(f"{daemon.url}: {_explain_answer(response, content)}")
    try:
        return decode_status(content)
    except StatusError as error:
        raise ShowError(f"{daemon.url}{STATUS_PATH}: {error}") from error


def _prepare(daemon: Daemon) -> tuple[http.client.HTTPConnection, str]:
    """Return a connection that is not open yet, and what the path begins with."""
    try:
        parts = urlsplit(daemon.url)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # as the socket will, whose error is no OSError
    except ValueError as error:
        raise UsageError(f"{daemon.url!r}: {error}") from error
    if parts.scheme not in {"http", "https"} or not host or not daemon.url.isprintable() or " " in daemon.url:
        raise UsageError(f"{daemon.url!r} is not an address such as http://localhost:9068")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            f"{_without_user(daemon.url)!r}: no user, query or fragment is allowed in the address"
        )
    path = parts.path.rstrip("/")
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS), path
    context = _make_context(daemon)
    return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=context), path


def _without_user(url: str) -> str:
    """Return an address without what may be a password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _make_context(daemon: Daemon) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=daemon.ca_file)
    except OSError as error:
        raise UsageError(f"--ca-file: {daemon.ca_file}: {error.strerror or error}") from error
    if daemon.cert_file:
        try:
            context.load_cert_chain(daemon.cert_file, daemon.key_file, password=lambda: b"")
        except OSError as error:
            raise UsageError(f"--cert-file: {daemon.cert_file}: {error.strerror or error}") from error
    return context


def _authorize(daemon: Daemon) -> dict[str, str]:
    if not (daemon.user and daemon.password_file):
        return {}
    try:
        password = read_regular_file(daemon.password_file, _LARGEST_PASSWORD_BYTES).split(b"\n", 1)[0]
    except OSError as error:
        raise UsageError(f"--password-file: {daemon.password_file}: {error.strerror}") from error
    pair = daemon.user.encode(errors="surrogateescape") + b":" + password.rstrip(b"\r")
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _explain_failure(error: OSError | http.client.HTTPException, *, is_tls: bool) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate cannot be verified: {error.verify_message}; give its authority as --ca-file"
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    if reason == "WRONG_VERSION_NUMBER":  # OpenSSL's word for what is no TLS
        return "does not speak TLS; an address without it begins with http://"
    # Who wants a certificate says so only after the handshake; its end may overtake what it says.
    is_ended = isinstance(error, ConnectionResetError | BrokenPipeError)  # of which RemoteDisconnected is
    if isinstance(error, ssl.SSLError) or (is_tls and is_ended):
        return f"TLS failed: {reason}; if it asks for a client certificate, give --cert-file"
    if isinstance(error, http.client.HTTPException):
        return "no answer in HTTP; an address with TLS begins with https://"
    return reason


def _explain_answer(response: http.client.HTTPResponse, content: bytes) -> str:
    if response.status == HTTPStatus.UNAUTHORIZED:
        return "user or password is missing or wrong: give --user and --password-file"
    if response.status == HTTPStatus.NOT_FOUND:
        return f"has no {STATUS_PATH}; it is older than this command, or not netstat-exporter"
    if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return "its first pass is not finished, or it is busy; try again"
    text = content[:200].decode(errors="replace").strip()
    return f"{response.status} {response.reason}: {text}"
