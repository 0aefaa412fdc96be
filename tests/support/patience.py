"""Wait for what must happen, and fail when it does not."""

import time
from collections import deque
from collections.abc import Callable

PATIENCE_SECONDS = 30


def wait_until(
    condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS, pause_seconds: float = 0.02
) -> None:
    """Go on as soon as the condition holds; fail when it never does."""
    patience = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < patience, "it did not happen in time"
        time.sleep(pause_seconds)


def settle(measure: Callable[[], int], largest_growth: int, quiet_rounds: int, most_rounds: int) -> None:
    """Measure until so many rounds together grow by less than that, and fail when it grows on and on.

    What fills a cache grows at first; what is lost grows for ever.
    """
    seen = deque([measure()], quiet_rounds + 1)
    for _ in range(most_rounds):
        seen.append(measure())
        if len(seen) > quiet_rounds and seen[-1] - seen[0] < largest_growth:
            return
    raise AssertionError(f"it grows on and on: {list(seen)}")
