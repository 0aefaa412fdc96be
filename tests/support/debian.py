"""Run a server that Debian packages, on a free port of the loopback, and ask it over HTTP."""

import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.support import requirements
from tests.support.patience import wait_until


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int

    def is_ready(self) -> bool:
        """Tell whether it has started."""
        try:
            self.ask("/-/ready")
        except OSError:  # of which URLError and a timeout are
            return False
        return True

    def ask(self, path: str) -> bytes:
        """Return what it answers; raises OSError."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as response:
            return bytes(response.read())


Running = TypeVar("Running", bound=Server)


@contextmanager
def running_server(
    kind: type[Running], package: str, folder: Path, config: str, *flags: str
) -> Iterator[Running]:
    """Run the command of a package until the end of the block, in which it is ready.

    Its configuration is written into the folder.
    """
    command = requirements.require_command(package, package)
    file = folder / f"{package}.yml"
    file.write_text(config)
    with reserved_port() as port:
        server = kind(port)
        always = (f"--config.file={file}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error")
        process = subprocess.Popen([command, *always, *flags])
        try:
            wait_until(server.is_ready)
            yield server
        finally:
            process.terminate()
            process.wait()


@contextmanager
def reserved_port() -> Iterator[int]:
    """Keep a port on which nothing listens from being given to others that ask for any.

    Who asks for it by number, with SO_REUSEADDR, as a server does, gets it. See socket(7).
    """
    with socket.socket() as reserving:
        reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserving.bind(("127.0.0.1", 0))
        yield int(reserving.getsockname()[1])
