"""Say how bad something is, by the severities of the alerts."""

from typing import Annotated, Final

OK: Final = "ok"
WARNING: Final = "warning"
CRITICAL: Final = "critical"
SEVERITIES: Final = (OK, WARNING, CRITICAL)
"""From good to bad."""

Severity = Annotated[str, "`ok`, or of the alert whose threshold is exceeded: `warning`, `critical`"]


def rank(severity: str) -> int:
    """Return how bad a severity is, 0 for none."""
    return SEVERITIES.index(severity)
