"""Make what single collectors look at: listeners, and processes."""

import resource
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

_FIRST_PORT: Final = 10_000
_OTHER_FILES: Final = 1000


@contextmanager
def listening(number: int) -> Iterator[None]:
    """Listen at so many ports, in the network namespace that we are in."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(limit, number + _OTHER_FILES), most), most))
    with ExitStack() as held:
        for port in range(_FIRST_PORT, _FIRST_PORT + number):
            held.enter_context(socket.create_server(("", port)))
        yield


@contextmanager
def sleeping(number: int) -> Iterator[None]:
    """Have so many processes in our cgroup, which has a listener, so that all are looked at."""
    processes = []
    with socket.create_server(("", _FIRST_PORT)):
        try:
            processes += [subprocess.Popen(["sleep", "infinity"]) for _ in range(number)]
            yield
        finally:
            for process in processes:
                process.kill()
                process.wait()
