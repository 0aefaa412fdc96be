"""Skip a test that cannot run here, saying why and what would make it run.

With ``NETSTAT_EXPORTER_REQUIRE=all`` in the environment such a test fails instead.
"""

import os
import shutil

import pytest


def require(reason: str, remedy: str, *, met: bool) -> None:
    """Go on only when the test can run here; ``remedy`` is what the reader should do or type."""
    if met:
        return
    message = f"{reason}; to run it: {remedy}"
    if os.environ.get("NETSTAT_EXPORTER_REQUIRE") == "all":
        pytest.fail(message)
    pytest.skip(message)


def require_root() -> None:
    """Go on only as root."""
    require("needs root", "sudo make test", met=os.geteuid() == 0)


def require_command(name: str, package: str) -> str:
    """Return the path of a command that Debian's ``package`` brings."""
    path = shutil.which(name)
    require(f"needs the command {name}", f"apt-get install {package}", met=path is not None)
    return path or ""
