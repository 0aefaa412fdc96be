"""Measure processes from outside: their CPU time, their memory, and how fast one of them answers."""

import http.client
import math
import time
from collections.abc import Sequence
from typing import Final

LEAST_REQUESTS: Final = 300
LEAST_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.01
_CPUCLOCK_SCHED: Final = 2


def cpu_seconds(pid: int) -> float:
    """Return what a process has used, its threads that ended included; see clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


def memory_mb(pid: int, name: str) -> float:
    """Return a line of a process's status, such as VmRSS or VmHWM, in megabytes; 0 once it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            lines = dict(line.split(":", 1) for line in file)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return int(lines.get(name, "0 kB").split()[0]) * 1024 / 1e6


def request_milliseconds(port: int, path: str = "/metrics") -> list[float]:
    """Ask for a page again and again, each time over a connection of its own, and return what each took."""
    took: list[float] = []
    deadline = time.monotonic() + LEAST_SECONDS
    while len(took) < LEAST_REQUESTS or time.monotonic() < deadline:
        started = time.perf_counter()
        get(port, path)
        took.append((time.perf_counter() - started) * 1000)
        time.sleep(_PAUSE_SECONDS)
    return took


def get(port: int, path: str, timeout_seconds: float = 60.0) -> bytes:
    """Return a page; raises OSError or HTTPException."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            raise http.client.HTTPException(f"{path}: {response.status}")
        return response.read()
    finally:
        connection.close()


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of the values do not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
