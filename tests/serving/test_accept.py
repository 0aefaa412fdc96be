"""A system that lacks what a connection takes is asked once a second, and named once."""

import asyncio
import errno
import os
import socket

import pytest
from structlog.testing import capture_logs

from exporter.serving.admission import Admission
from exporter.serving.messages import Answer, Request, say
from exporter.serving.security import Security
from exporter.serving.server import Server


class Poor(socket.socket):
    """A listening socket whose accept() fails while there is an error to fail with."""

    error: int | None = None
    attempts = 0

    def accept(self) -> tuple[socket.socket, object]:
        """Accept, or fail as the kernel does."""
        self.attempts += 1
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        return super().accept()


async def respond(_: Request) -> Answer:
    """Answer anything."""
    return say(200, "fine")


async def ask(port: int) -> bytes:
    """Return what is answered to one request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("error", [errno.ENFILE, errno.EMFILE, errno.ENOBUFS, errno.ENOMEM])
def test_what_the_system_lacks_is_waited_for(error: int) -> None:
    async def run() -> list[str]:
        with Poor() as listener, capture_logs() as lines:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            listener.setblocking(False)  # noqa: FBT003 - the standard library names no keyword
            listener.error = error
            server = Server(respond, Security(), Admission())
            server.listen([listener])
            answer = asyncio.ensure_future(ask(listener.getsockname()[1]))
            await asyncio.sleep(2.5)
            assert 2 <= listener.attempts <= 4
            listener.error = None
            assert (await answer).endswith(b"fine\n")
            assert (await ask(listener.getsockname()[1])).endswith(b"fine\n")
            await server.stop()
            return [f"{line['event']}: {line.get('error', '')}" for line in lines]

    first, last = asyncio.run(run())
    assert first == f"cannot accept connections, retrying: {os.strerror(error)}"
    assert last == "accepting connections again: "


def test_a_connection_that_was_gone_before_it_was_accepted_delays_nobody() -> None:
    class Unlucky(Poor):
        def accept(self) -> tuple[socket.socket, object]:
            self.error = errno.ECONNABORTED if self.attempts == 0 else None
            return super().accept()

    async def run() -> bytes:
        with Unlucky() as listener, capture_logs() as lines:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            listener.setblocking(False)  # noqa: FBT003 - the standard library names no keyword
            server = Server(respond, Security(), Admission())
            server.listen([listener])
            answer = await ask(listener.getsockname()[1])
            await server.stop()
            assert lines == []
            return answer

    assert asyncio.run(run()).endswith(b"fine\n")
