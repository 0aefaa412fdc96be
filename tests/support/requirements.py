"""Skip a test that cannot run here, saying why and what would make it run.

With ``NETSTAT_EXPORTER_REQUIRE=all`` in the environment such a test fails instead.
"""

import os
import shutil
import sys
from pathlib import Path

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
    return _require(name, shutil.which(name), f"apt-get install {package}")


def require_tool(name: str, remedy: str) -> str:
    """Return the path of a command that is beside the interpreter, or else anywhere."""
    beside = shutil.which(name, path=str(Path(sys.executable).parent))
    return _require(name, beside or shutil.which(name), remedy)


def _require(name: str, path: str | None, remedy: str) -> str:
    require(f"needs the command {name}", remedy, met=path is not None)
    return path or ""
