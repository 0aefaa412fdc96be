"""Beside a distribution whose import package is called ``exporter``, too, the command says so and ends."""

import base64
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from exporter import __version__
from exporter.installation import find_conflict
from tests.support.daemon import ROOT, run_once

FOREIGN = {"exporter/__init__.py": "NAME = 'foreign'\n", "exporter/files.py": "", "exporter/more.py": ""}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build our own wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Make the wheel of another distribution."""
    note = "fleet_tools-1.0.dist-info"
    files = {
        **FOREIGN,
        f"{note}/METADATA": "Metadata-Version: 2.1\nName: fleet-tools\nVersion: 1.0\n",
        f"{note}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {name: hashlib.sha256(text.encode()).digest() for name, text in files.items()}
    record = [
        f"{name},sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')},"
        for name, digest in digests.items()
    ]
    files[f"{note}/RECORD"] = "".join(f"{line}\n" for line in (*record, f"{note}/RECORD,,"))
    path = tmp_path / "fleet_tools-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """Make an environment without anything in it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    return tmp_path / "venv"


def install(venv: Path, wheel: Path) -> None:
    """Put the files of a wheel where pip puts them; as pip does, over those that are there."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(find_packages(venv))


def uninstall(venv: Path, wheel: Path) -> None:
    """Remove the files of a wheel, whoever wrote them last, as pip does."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            (find_packages(venv) / name).unlink()


def find_packages(venv: Path) -> Path:
    """Return the folder of an environment's packages."""
    (folder,) = venv.glob("lib/python3.*/site-packages")
    return folder


def run_command(venv: Path, said: str) -> tuple[int, str]:
    """Do what the command does that pip makes, which has to say this in one line.

    Return its exit code and output.
    """
    script = "import sys; from exporter.__main__ import main; sys.exit(main())"
    run = subprocess.run(
        [venv / "bin" / "python", "-c", script],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stderr.startswith(f"netstat-exporter: {said}")
    assert run.stderr.endswith(" Install it into an environment of its own, for example with pipx.\n")
    assert run.stderr.count("\n") == 1
    return run.returncode, run.stdout


@pytest.mark.parametrize("ours_is_first", [True, False])
def test_another_distribution_is_noticed_and_said(
    ours_is_first: bool,  # noqa: FBT001 - pytest gives it by name
    wheel: Path,
    foreign: Path,
    venv: Path,
) -> None:
    for each in (wheel, foreign) if ours_is_first else (foreign, wheel):
        install(venv, each)
    package = find_packages(venv) / "exporter"
    said = f"fleet_tools 1.0 has an import package called exporter, too, and both are installed in {package}"
    assert (2, "") == run_command(venv, said)
    if ours_is_first:  # what its removal takes along is noticed, too
        uninstall(venv, foreign)
        said = f"{package}/__init__.py is missing, or that of another distribution"
        assert (2, "") == run_command(venv, said)


@pytest.mark.parametrize(
    ("note", "text", "conflict"),
    [
        (
            "fleet_tools-1.0.dist-info/RECORD",
            "fleet/__init__.py,,\nexporter/__init__.py,,\n",
            "fleet_tools 1.0",
        ),
        ("fleet_tools-1.0.dist-info/RECORD", '"exporter/a,b.py",,\n', "fleet_tools 1.0"),
        ("fleet_tools-1.0.egg-info/top_level.txt", "fleet\nexporter\n", "fleet_tools 1.0"),
        ("fleet_tools-1.0.dist-info/RECORD", "fleet/exporter/__init__.py,,\nexporters/a.py,,\n", None),
        ("fleet_tools-1.0.egg-info/top_level.txt", "exporter_of_fleets\n", None),
        ("netstat_exporter-0.1.0.dist-info/RECORD", "exporter/__init__.py,,\n", None),
        ("fleet_tools-1.0.dist-info/METADATA", "exporter/__init__.py,,\n", None),
    ],
)
def test_a_conflict_is_what_another_distribution_notes(
    note: str, text: str, conflict: str | None, tmp_path: Path
) -> None:
    (tmp_path / note).parent.mkdir()
    (tmp_path / note).write_text(text)
    found = find_conflict(str(tmp_path / "exporter"))
    assert (found or "").partition(" has an import")[0] == (conflict or "")


def test_a_folder_that_cannot_be_listed_is_no_conflict(tmp_path: Path) -> None:
    assert find_conflict(str(tmp_path / "nowhere" / "exporter")) is None


def test_version_says_what_runs_and_from_where() -> None:
    run = run_once("--version")
    first, *more = run.stdout.splitlines()
    assert first.startswith(f"netstat-exporter, version {__version__} (revision: ")
    assert more == [
        f"  python:  CPython {sys.version.partition(' ')[0]}, {sys.executable}",
        f"  package: {ROOT / 'exporter'}",
    ]
