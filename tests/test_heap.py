"""The threads of the daemon allocate from one heap."""

import subprocess
import sys
from ctypes import CDLL

import pytest

from tests.support import requirements
from tests.support.daemon import ROOT

COUNT_HEAPS = """
import ctypes, threading
from exporter.heap import share_heap
libc = ctypes.CDLL(None)
if {shares}:
    share_heap()
threads = [threading.Thread(target=lambda: libc.free(libc.malloc(100_000))) for _ in range(4)]
libc.fdopen.restype = libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
stdout = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, stdout)
libc.fflush(stdout)
"""


@pytest.mark.parametrize("shares", [True, False])
def test_threads_share_a_heap(*, shares: bool) -> None:
    """Without it glibc gives threads their own."""
    requirements.require("needs glibc", "use glibc", met=hasattr(CDLL(None), "malloc_info"))
    command = [sys.executable, "-c", COUNT_HEAPS.format(shares=shares)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    heaps = run.stdout.count("<heap nr=")
    assert heaps == 1 if shares else heaps > 1
