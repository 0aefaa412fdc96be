"""Let all threads allocate memory from one heap.

glibc gives threads heaps of their own, so that they need not wait for each other. Those of Python allocate
one at a time anyway, and what is free in one heap is of no use to the others: nearly a megabyte of a daemon.
See M_ARENA_MAX in mallopt(3).
"""

import contextlib
import ctypes
from typing import Final

_M_ARENA_MAX: Final = -8  # of malloc.h


def share_heap() -> None:
    """Let threads that start from now on share one heap; do nothing where the C library is not glibc."""
    with contextlib.suppress(AttributeError):  # musl has no mallopt
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
