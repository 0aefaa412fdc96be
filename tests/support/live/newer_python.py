"""Run the tests of the exporter that need no privileges and no programs with the Python of another Debian.

``python -m tests.support.live.newer_python RELEASE ...`` takes further arguments for pytest.
"""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from tempfile import TemporaryDirectory
from typing import Final

from tests.support.live.debian_tree import PYTHONS, make_tree
from tests.support.live.machine import PROJECT, placed
from tests.support.live.namespace import ROOT

LIBRARIES: Final = "/usr/local/lib/python{}/dist-packages"  # where Debian's Python looks first
SOURCES: Final = ("argparse-manpage",)  # published as source alone; its wheel is for any Python
UNUSED: Final = re.compile(
    r"check-jsonschema|codespell|deptry|import-linter|mypy|ruff|types-"
)  # no test runs them
# What they test is the same with any Python: rules, dashboards, manifests, documents.
INDEPENDENT: Final = (
    *("benchmarks", "dashboard", "dashboard_schema", "docs", "helm", "inhibition", "kubernetes", "lock"),
    *("mixin", "rule_cases", "rules", "runbooks", "workflows"),
)
PYTEST: Final = (
    *("python3", "-m", "pytest", "-p", "no:cacheprovider", "-m", "not live and not long"),
    f"--numprocesses={os.cpu_count()}",
    *(f"--ignore=tests/test_{name}.py" for name in INDEPENDENT),
)


def main() -> int:
    """Install what the tests need, run them, and return the exit code of pytest."""
    release, *arguments = sys.argv[1:]
    tree, python = make_tree(release), PYTHONS[release]
    with TemporaryDirectory(dir=tree.parent) as libraries, TemporaryDirectory() as wheels:
        pip(
            *("wheel", "--no-deps", f"--wheel-dir={wheels}"),
            *(f"{name}=={version(name)}" for name in SOURCES),
        )
        target = (f"--target={libraries}", f"--python-version={python}", "--only-binary=:all:")
        pip("install", *target, f"--find-links={wheels}", *needed())
        # What is written into the project, such as bytecode of another Python, is gone at the end.
        command = [
            *(
                "systemd-nspawn",
                f"--directory={tree}",
                f"--machine=netstat-exporter-{os.getpid()}",
                "--volatile=overlay",
                "--quiet",
            ),
            *("--private-network", "--register=no", "--console=pipe", f"--chdir={PROJECT}"),
            *(f"--overlay={ROOT}::{PROJECT}", f"--bind-ro={libraries}:{LIBRARIES.format(python)}"),
        ]
        with placed(command) as placed_command:
            return subprocess.run([*placed_command, *PYTEST, *arguments], check=False).returncode


def needed() -> list[str]:
    """Return what the exporter and its tests depend on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return [requirement for requirement in requirements if not UNUSED.match(requirement)]


def pip(*words: str) -> None:
    """Run pip; raises CalledProcessError."""
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *words], check=True)


if __name__ == "__main__":
    sys.exit(main())
