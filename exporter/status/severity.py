"""Say how bad something is, by the severities of the alerts."""

from typing import Annotated, Final

OK: Final = "ok"
WARNING: Final = "warning"
CRITICAL: Final = "critical"
_RANKS: Final = {OK: 0, WARNING: 1, CRITICAL: 2}

Severity = Annotated[str, "`ok`, or `warning` or `critical` as the alert whose threshold is exceeded"]


def rank(severity: str) -> int:
    """Return how bad a severity is, 0 for none."""
    return _RANKS[severity]
