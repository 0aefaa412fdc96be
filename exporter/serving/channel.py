"""Translate between HTTP and the socket, with or without TLS.

TLS is that of the standard library, over memory: asyncio's own takes 256 KiB a connection before the
handshake, and hands the connection over only after it.
"""

import contextlib
import ssl
from collections.abc import Callable
from typing import Final, Protocol

_PIECE_BYTES: Final = 1 << 16


class Channel(Protocol):
    """Turns bytes off the wire into bytes of HTTP, and back."""

    is_open: bool
    has_ended: bool

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the bytes to read, and the bytes to send at once; raises ssl.SSLError."""

    def wrap(self, data: bytes) -> bytes:
        """Return the bytes to send."""

    def fail(self) -> bytes:
        """Return the bytes to send after an error."""

    def end(self) -> bytes:
        """Return the last bytes to send."""


class PlainChannel:
    """Bytes as they are."""

    is_open = True
    has_ended = False

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the data itself."""
        return data, b""

    def wrap(self, data: bytes) -> bytes:
        """Return the data itself."""
        return data

    def fail(self) -> bytes:
        """Return nothing."""
        return b""

    def end(self) -> bytes:
        """Return nothing."""
        return b""


class TlsChannel:
    """The server's end of TLS; it is open after the handshake, and ends with the client's close_notify.

    ``allows`` decides about the client's certificate, which is already verified.
    """

    def __init__(self, context: ssl.SSLContext, allows: Callable[["TlsChannel"], bool]) -> None:
        self._allows = allows
        self.is_open, self.has_ended = False, False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def alternative_names(self) -> set[str]:
        """Return the subjectAltName of the client's certificate; empty where there is none."""
        certificate = self._tls.getpeercert() or {}
        names = certificate.get("subjectAltName", ())
        return {pair[1] for pair in names if isinstance(pair, tuple) and isinstance(pair[1], str)}

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """Decrypt; raises ssl.SSLError."""
        self._incoming.write(data)
        pieces = []
        try:
            if not self.is_open:
                self._tls.do_handshake()
                if not self._allows(self):
                    raise ssl.SSLError("this client certificate is not allowed")
                self.is_open = True
            while piece := self._tls.read(_PIECE_BYTES):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.has_ended = True
        return b"".join(pieces), self._outgoing.read()

    def fail(self) -> bytes:
        """Return the TLS alert about the error."""
        return self._outgoing.read()

    def wrap(self, data: bytes) -> bytes:
        """Encrypt."""
        self._tls.write(data)
        return self._outgoing.read()

    def end(self) -> bytes:
        """Return the close_notify alert."""
        with contextlib.suppress(ssl.SSLError):  # it waits for the close_notify of the client
            self._tls.unwrap()
        return self._outgoing.read()
