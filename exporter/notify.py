"""Notify the service manager of the state of the daemon, if there is one.

A manager that hangs or is gone causes no failure and no long wait. See sd_notify(3) and
sd_watchdog_enabled(3).
"""

import contextlib
import os
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Final

from exporter.sampling.snapshot import Snapshot

_TIMEOUT_SECONDS: Final = 1.0


def notify(*assignments: str) -> None:
    """Send assignments such as ``STOPPING=1`` to the service manager, in one datagram."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(_TIMEOUT_SECONDS)
        sender.sendto("\n".join(assignments).encode(), address)


def report_pass(snapshot: Snapshot, next_within_seconds: float, problems: Sequence[str]) -> None:
    """Send the result of a pass and feed the watchdog; the first pass makes the daemon ready."""
    read = sum(not table.error for table in snapshot.tables)
    sockets = sum(table.rows for table in snapshot.tables)
    status = (
        f"STATUS=Sockets: {sockets}. Tables: {read} of {len(snapshot.tables)}, "
        f"read in {snapshot.duration_seconds:.3f} s, again in {snapshot.interval_seconds:.3g} s."
    )
    status = " ".join([status, *problems])
    first = ["READY=1"] if snapshot.number == 1 else []
    notify(*first, status, *_feed_watchdog(next_within_seconds))


@contextlib.contextmanager
def reloading() -> Iterator[None]:
    """Send that a reload starts, and that it has ended, successful or not."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        yield
    finally:
        notify("READY=1")


def _feed_watchdog(next_within_seconds: float) -> list[str]:
    """Return what feeds the watchdog; its timeout starts only when the next pass is due."""
    timeout = os.environ.get("WATCHDOG_USEC", "")
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    if not ours or not timeout.isdecimal():
        return []
    return ["WATCHDOG=1", f"WATCHDOG_USEC={int(timeout) + round(next_within_seconds * 1e6)}"]
