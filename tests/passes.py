"""Take many passes over the captured tables, and say what the process holds before and after.

python -m tests.passes PASSES
"""

import gc
import json
import os
import sys
import threading
import tracemalloc

from exporter.kernel.procfs import Procfs
from exporter.sampling.sampler import Sampler
from exporter.sampling.services import name_ports
from exporter.sampling.settings import Settings
from tests.daemon import ROOT

WARM_UP_PASSES = 20
SETTINGS = Settings(
    tables=("tcp", "tcp6", "udp", "raw6"),
    source="auto",
    interval_seconds=1,
    cpu_budget=1,
    timeout_seconds=10,
    names=name_ports({}, b""),
    always=frozenset(),
    ports_limit=100,
    stuck_states=("close_wait",),
    stuck_after_seconds=60,
    stuck_limit=1000,
    owners_by="auto",
    owners_limit=50,
)


def say_holdings(sampler: Sampler) -> None:
    """Print one line of JSON."""
    gc.collect()  # it empties the interpreter's free lists, too
    assert sampler.snapshot is not None
    holdings = {
        "sockets": sum(sampler.snapshot.sockets.values()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "bytes": tracemalloc.get_traced_memory()[0],
    }
    print(json.dumps(holdings), flush=True)  # noqa: T201


if __name__ == "__main__":
    tracemalloc.start()
    watching = Sampler(Procfs(str(ROOT / "tests" / "fixtures" / "proc")), SETTINGS)
    for passes in (WARM_UP_PASSES, int(sys.argv[1])):
        for _ in range(passes):
            watching.take_snapshot()
        say_holdings(watching)
