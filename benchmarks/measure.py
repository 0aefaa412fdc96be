"""Measure processes from outside: their CPU time, their memory, and how fast one of them answers."""

import http.client
import math
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Final

LEAST_REQUESTS: Final = 300
_PAUSE_SECONDS: Final = 0.01
_PATIENCE_SECONDS: Final = 60.0
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


def request_milliseconds(port: int, least_seconds: float, path: str = "/metrics") -> list[float]:
    """Ask for a page again and again over one connection, as Prometheus does, and return what each took."""
    took: list[float] = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
    with closing(connection):
        while _get(connection, path)[0] != http.HTTPStatus.OK:
            time.sleep(_PAUSE_SECONDS)  # there is no page before the end of the first pass
        deadline = time.monotonic() + least_seconds
        while len(took) < LEAST_REQUESTS or time.monotonic() < deadline:
            started = time.perf_counter()
            status, _ = _get(connection, path)
            took.append((time.perf_counter() - started) * 1000)
            if status != http.HTTPStatus.OK:
                raise http.client.HTTPException(f"{path}: {status}")
            time.sleep(_PAUSE_SECONDS)
    return took


def get(port: int, path: str, timeout_seconds: float = _PATIENCE_SECONDS) -> bytes:
    """Return a page; raises OSError or HTTPException."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_seconds)) as connection:
        status, page = _get(connection, path)
    if status != http.HTTPStatus.OK:
        raise http.client.HTTPException(f"{path}: {status}")
    return page


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[int, bytes]:
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read()


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of the values do not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
