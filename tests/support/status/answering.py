"""A server on the loopback that answers as it is told, whatever is asked."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from exporter.status.encoding import encode_status
from tests.support.status.hosts import leaky_host

FINE: Final = (200, encode_status(leaky_host()))


class Server(ThreadingHTTPServer):
    """Answers with a status and a body, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self, answer: tuple[int, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        """Answer."""
        self.server.asked.append((self.path, self.headers["Authorization"]))
        code, body = self.server.answer
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def answering(answer: tuple[int, bytes] = FINE, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server until the end of the block, with TLS if a context is given."""
    with Server(answer) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
