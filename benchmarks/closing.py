"""Close so many connections, both ends of each, for every line of standard input.

python -m benchmarks.closing CONNECTIONS
"""

import socket
import subprocess
import sys
from contextlib import suppress
from typing import Final

from tests.support.daemon import ROOT

_OPEN_AT_ONCE: Final = 100


def main(connections: int) -> None:
    """Close connections when told to, and say so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for _ in sys.stdin:
            for done in range(0, connections, _OPEN_AT_ONCE):
                ends = []
                for _ in range(min(_OPEN_AT_ONCE, connections - done)):
                    ends += [socket.create_connection(listener.getsockname()), listener.accept()[0]]
                for end in ends:
                    end.close()
            with suppress(BrokenPipeError):  # whoever asked is gone
                print("closed", flush=True)


def start_closer(connections: int) -> "subprocess.Popen[str]":
    """Run it, in the network namespace that we are in; it ends with this process."""
    command = [sys.executable, "-m", "benchmarks.closing", str(connections)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
