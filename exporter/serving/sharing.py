"""Make something at most once for each snapshot and variant, for all clients, outside the event loop.

Making takes at most a share of one core: when it is used up, what was made of an older snapshot is returned.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from exporter.threads import run_in_thread

S = TypeVar("S")
V = TypeVar("V")
T = TypeVar("T")


class Shared(Generic[S, V, T]):
    """Makes variants of the newest subject.

    ``newest`` returns what things are made of, ``make`` makes a variant in a thread. ``cpu_budget`` is the
    share of one core. ``charge`` is called with the CPU seconds of each making.
    """

    def __init__(
        self,
        newest: Callable[[], S],
        make: Callable[[S, V], T],
        cpu_budget: Callable[[], float],
        charge: Callable[[float], None],
    ) -> None:
        self._newest = newest
        self._make = make
        self._cpu_budget = cpu_budget
        self._charge = charge
        self._not_before_seconds = 0.0
        self._subject: S | None = None
        self._made: dict[V, asyncio.Future[T]] = {}

    async def get(self, variant: V) -> T:
        """Return a variant; concurrent requests share one making. Raises what ``make`` raises."""
        newest = self._newest()
        if newest != self._subject and (
            self._subject is None or time.monotonic() >= self._not_before_seconds
        ):
            self._subject, self._made = newest, {}
        subject = newest if self._subject is None else self._subject
        if variant not in self._made or self._made[variant].cancelled():
            self._made[variant] = asyncio.ensure_future(self._work(subject, variant))
        made = self._made[variant]
        try:
            return await asyncio.shield(made)
        except Exception:
            if self._made.get(variant) is made:
                del self._made[variant]
            raise

    async def _work(self, subject: S, variant: V) -> T:
        made, cpu_seconds = await run_in_thread(_measure, self._make, subject, variant)
        start_seconds = max(time.monotonic(), self._not_before_seconds)
        self._not_before_seconds = start_seconds + cpu_seconds / self._cpu_budget()
        self._charge(cpu_seconds)
        return made


def _measure(make: Callable[[S, V], T], subject: S, variant: V) -> tuple[T, float]:
    """Return what is made, and the CPU seconds that it took."""
    started = time.thread_time()
    made = make(subject, variant)
    return made, time.thread_time() - started
