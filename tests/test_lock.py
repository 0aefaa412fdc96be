"""What is installed is what the lock says, file by file."""

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.daemon import ROOT

PINNED = re.compile(r"^([a-z0-9-]+)==(\S+) ((?:\\\n +--hash=sha256:[0-9a-f]{64} ?)+)$", re.MULTILINE)


def read_lock() -> dict[str, str]:
    """Return the version of every package that has hashes."""
    return {name: version for name, version, _ in PINNED.findall((ROOT / "requirements.lock").read_text())}


def test_every_dependency_is_in_the_lock_in_a_version_that_will_do() -> None:
    locked = read_lock()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for requirement in map(Requirement, project["project"]["dependencies"]):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)])


def test_nothing_in_the_lock_is_without_a_hash_or_from_elsewhere() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    named = [line for line in lines if re.match(r"[a-z]", line)]
    assert len(named) == len(read_lock())
    assert not [line for line in lines if "://" in line]


def test_what_builds_it_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert all("==" in requirement for requirement in project["build-system"]["requires"])


def test_an_installation_takes_nothing_else() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    (line,) = [line for line in lines if "PREFIX)" in line and "requirements.lock" in line]
    assert "--require-hashes" in line
