"""Take many passes over the captured tables, and say what the process holds before and after.

    python -m tests.support.passes PASSES

The environment has to be that of ``COUNTED``, which makes Python ask the C library for every object, and the
library keep nothing back of what is freed: then what mallinfo(3) says is in use is so. tracemalloc would take
several times as long.
"""

import ctypes
import gc
import json
import os
import sys
import threading
import time
from dataclasses import replace

from exporter.kernel.procfs import Procfs
from exporter.sampling.sampler import Sampler
from tests.support.daemon import ROOT
from tests.support.sampling.watched import SETTINGS

COUNTED = {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
WARM_UP_PASSES = 20
WINDOW_SECONDS = 0.1
WATCHED = replace(SETTINGS, tables=("tcp", "tcp6", "udp", "raw6"), peak_window_seconds=WINDOW_SECONDS)


class Mallinfo(ctypes.Structure):
    """``struct mallinfo2``."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def count_bytes() -> int:
    """Return how many bytes are allocated."""
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = Mallinfo
    counted = mallinfo()
    return int(counted.uordblks + counted.hblkhd)


def say_holdings(sampler: Sampler) -> None:
    """Print one line of JSON, after a pass that has no other in the window of its peaks.

    However fast passes are, and whatever held one up, there is as much to remember.
    """
    time.sleep(2 * WINDOW_SECONDS)
    sampler.take_snapshot()
    gc.collect()  # it empties the interpreter's free lists, too
    assert sampler.snapshot is not None
    holdings = {
        "sockets": sum(sampler.snapshot.sockets.values()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "bytes": count_bytes(),
    }
    print(json.dumps(holdings), flush=True)  # noqa: T201


if __name__ == "__main__":
    watching = Sampler(Procfs(str(ROOT / "tests" / "fixtures" / "proc")), WATCHED)
    for passes in (WARM_UP_PASSES, int(sys.argv[1])):
        for _ in range(passes):
            watching.take_snapshot()
        say_holdings(watching)
