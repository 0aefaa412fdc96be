"""Run the exporter as nobody, who has no capability, with files that anybody can read."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.support import requirements
from tests.support.daemon import COMMAND, ROOT

UNPRIVILEGED: Final[Sequence[str]] = (
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--bounding-set=-all",
    "--inh-caps=-all",
)
"""The beginning of a command line that drops all rights."""


def require_unprivileged() -> Sequence[str]:
    """Return the beginning of a command line of nobody, who has to be able to read the project."""
    requirements.require_command("setpriv", "util-linux")
    readable = subprocess.run([*UNPRIVILEGED, *COMMAND, "--version"], cwd=ROOT, check=False).returncode == 0
    requirements.require(
        "needs a project that anybody can read", "put it, and its Python, below /opt or /tmp", met=readable
    )
    return UNPRIVILEGED


@contextmanager
def readable_folder() -> Iterator[Path]:
    """Make a folder that anybody can read, which pytest's are not."""
    with TemporaryDirectory() as made:
        path = Path(made)
        path.chmod(0o755)
        yield path
