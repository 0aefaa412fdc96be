"""Keep network namespaces with a few sockets each, and let something happen in some of them when told to.

    python -m benchmarks.farm NAMESPACES SOCKETS [SOCKETS_OF_THE_FIRST]

It says ``ready``. For each line of standard input, a number, a connection is opened or closed in so many
namespaces, and it says ``done``. All ends with its standard input.
"""

import ctypes
import fcntl
import os
import resource
import socket
import struct
import sys
from typing import Final

PROGRAM: Final = "bench-farm"
_CLONE_NEWNET: Final = 0x40000000
_PR_SET_PDEATHSIG: Final = 1
_SIGKILL: Final = 9
_SIOCSIFFLAGS: Final = 0x8914
_LOOPBACK_UP: Final = struct.pack("16sh14x", b"lo", 0x41)  # IFF_UP, IFF_RUNNING


def live(sockets: int, orders: int, answers: int) -> None:
    """Make the sockets of one namespace, a listener and both ends of connections, and follow orders."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    with open("/proc/self/comm", "w", encoding="ascii") as comm:
        comm.write(PROGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        fcntl.ioctl(asking, _SIOCSIFFLAGS, _LOOPBACK_UP)
    listener = socket.create_server(("127.0.0.1", 8080), backlog=128)
    held = [end for _ in range(sockets // 2) for end in connect(listener)]
    more: list[socket.socket] = []
    os.write(answers, b"x")
    while os.read(orders, 1):
        if more:
            while more:
                more.pop().close()
        else:
            more.extend(connect(listener))
        os.write(answers, b"x")
    del held


def connect(listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection."""
    client = socket.create_connection(listener.getsockname())
    return client, listener.accept()[0]


def main(namespaces: int, sockets: int, first: int = 0) -> None:
    """Make all, and say what is done."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    children: list[tuple[int, int]] = []
    for number in range(namespaces):
        (orders, tell), (hear, answers) = os.pipe(), os.pipe()
        if os.fork() == 0:
            os.close(tell)
            live(first if first and not number else sockets, orders, answers)
            os._exit(0)
        os.close(orders)
        os.close(answers)
        os.read(hear, 1)
        children.append((tell, hear))
    print("ready", flush=True)
    for line in sys.stdin:
        for tell, hear in children[: int(line)]:
            os.write(tell, b"x")
            os.read(hear, 1)
        print("done", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
