"""What is installed is what the lock says, file by file."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.daemon import ROOT

PINNED = re.compile(r"^([a-z0-9-]+)==(\S+) ((?:\\\n +--hash=sha256:[0-9a-f]{64} ?)+)$", re.MULTILINE)


LOCKS = ("requirements.lock", "requirements-build.lock")


def read_lock(name: str) -> dict[str, str]:
    """Return the version of every package that has hashes."""
    return {package: version for package, version, _ in PINNED.findall((ROOT / name).read_text())}


def test_every_dependency_is_in_the_lock_in_a_version_that_will_do() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = (project["project"]["dependencies"], project["build-system"]["requires"])
    for lock, requirements in zip(LOCKS, needed, strict=True):
        locked = read_lock(lock)
        for requirement in map(Requirement, requirements):
            assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("lock", LOCKS)
def test_nothing_in_a_lock_is_without_a_hash_or_from_elsewhere(lock: str) -> None:
    lines = (ROOT / lock).read_text().splitlines()
    named = [line for line in lines if re.match(r"[a-z]", line)]
    assert len(named) == len(read_lock(lock))
    assert not [line for line in lines if "://" in line]


def test_what_builds_it_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert all("==" in requirement for requirement in project["build-system"]["requires"])


def test_an_installation_takes_nothing_else() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    (line,) = [line for line in lines if "PREFIX)" in line and "requirements.lock" in line]
    assert "--require-hashes" in line


def test_an_image_takes_nothing_else() -> None:
    """Its pip installs what the locks name, and what was built from here."""
    steps = re.sub(r"\\\n", "", (ROOT / "Containerfile").read_text()).replace("&&", "\n").splitlines()
    installs = [step for step in steps if "pip" in step and " install " in step]
    assert [lock for step in installs if "--require-hashes" in step for lock in LOCKS if lock in step] == [
        "requirements-build.lock",
        "requirements.lock",
    ]
    (built,) = [step for step in installs if "--require-hashes" not in step]
    assert {"--no-index", "--no-deps", "/dist/*.whl"} <= set(built.split())


def test_the_debian_package_takes_nothing_else_and_names_every_licence() -> None:
    """Without an index, its pip installs what the locks name, and the wheel that was built from here."""
    rules = re.sub(r"\\\n", "", (ROOT / "debian" / "rules").read_text())
    assert "--no-index --find-links=wheels --no-deps" in rules
    installs = [line for line in rules.splitlines() if "$(PIP) --" in line]
    assert [lock for line in installs if "--require-hashes" in line for lock in LOCKS if lock in line] == [
        "requirements-build.lock",
        "requirements.lock",
    ]
    assert [line.split()[-1] for line in installs if "--require-hashes" not in line] == ["build/wheel/*.whl"]
    stanzas = (ROOT / "debian" / "copyright").read_text()
    named = re.findall(r"^Files: wheels/(.+)-\*\.whl$", stanzas, re.MULTILINE)
    assert set(map(canonicalize_name, named)) == {package for lock in LOCKS for package in read_lock(lock)}
