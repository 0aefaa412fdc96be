"""The workflows call what exists; `make check` holds them to their schema."""

import os
import re
from pathlib import Path

import pytest

from tests.support.daemon import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
BUILT = "dist/"  # what a glob there matches is built by .ci/run


def find_targets(text: str) -> set[str]:
    """Return what a text tells make to make."""
    return set(re.findall(r"\bmake (?:--?[\w-]+ )*([a-z-]+)(?=[ \n)\"'])", re.sub(r" #.*", "", text)))


def find_paths(text: str) -> set[str]:
    """Return the paths in a text that begin with a folder or file of this repository."""
    words = re.findall(r"(?<![\w$./-])(?:\./)?([\w.-]+/[\w./*-]+)(?!@)", text)
    return {word for word in words if word.startswith(BUILT) or (ROOT / word.partition("/")[0]).exists()}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_targets_and_paths_of_a_workflow_exist(workflow: Path) -> None:
    text = workflow.read_text()
    commands = "".join(line for line in text.splitlines(keepends=True) if "name: " not in line)
    assert find_targets(commands) <= TARGETS
    for path in find_paths(text):
        is_built = path.startswith(BUILT) and ("*" in path or path in MAKEFILE or f'"{path}"' in text)
        assert is_built or (ROOT / path).exists(), path


def test_targets_and_paths_are_found() -> None:
    """In every kind of place in which the workflows have them."""
    texts = "".join(path.read_text() for path in WORKFLOWS)
    assert {"sbom", "image", "version", "notes"} <= find_targets(texts)
    expected = {".ci/run", ".github/workflows/ci.yml", "docs/releasing.md", "dist/netstat-exporter.cdx.json"}
    assert expected <= find_paths(texts)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
