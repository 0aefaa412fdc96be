"""Know where the status, the documentation and the runbooks of this version are."""

from typing import Final

from exporter import __version__

STATUS_PATH: Final = "/api/v1/status"
"""Path of the status as JSON."""
DOCUMENTATION: Final = f"https://github.com/netstat-exporter/netstat-exporter/blob/v{__version__}/docs"
RUNBOOKS: Final = f"{DOCUMENTATION}/runbooks"


def find_runbook(alert: str) -> str:
    """Return the address of the runbook of an alert."""
    return f"{RUNBOOKS}/{alert}.md"
