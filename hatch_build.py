"""Write into wheel and sdist which commit they are made of, and make the links of README hold elsewhere."""

import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

FILE = "exporter/revision.txt"
"""Where it is there already, as in an sdist, it stays as it is."""

DESCRIBE = ("git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
RELATIVE_LINK = re.compile(r"\]\((?!https?:|#)")


class RevisionHook(BuildHookInterface[Any]):
    """Add a file that ``exporter/revision.py`` reads."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add it to what is packed; an editable installation reads the clone itself."""
        if version == "editable":
            return
        root, self._folder = Path(self.root), TemporaryDirectory()
        file = Path(self._folder.name) / "revision.txt"
        given = root / FILE
        file.write_text(given.read_text() if given.exists() else f"{describe(root)}\n")
        build_data["force_include"][str(file)] = FILE

    def finalize(self, _version: str, _build_data: dict[str, Any], _artifact_path: str) -> None:
        """Remove the file again."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


class ReadmeHook(MetadataHookInterface):
    """Describe the distribution by its README, for an index of packages that has no other file of it."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Let links lead to the repository, to the files of this version."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        files = f"{metadata['urls']['Source']}/raw/v{metadata['version']}/"
        pages = files.replace("/raw/", "/blob/")
        text = re.sub(r"(!\[[^]]*)\]\((?!https?:)", rf"\1]({files}", text)
        text = RELATIVE_LINK.sub(f"]({pages}", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def describe(root: Path) -> str:
    """Return the commit of a clone, marked if files differ from it; ``unknown`` where git does not say.

    Git would look for a repository above the folder, which would be another one.
    """
    if not (root / ".git").exists():
        return "unknown"
    try:
        run = subprocess.run(DESCRIBE, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # not installed; a clone of another user
        return "unknown"
    return run.stdout.strip()
