"""Wait for what must happen, and fail when it does not."""

import time
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
