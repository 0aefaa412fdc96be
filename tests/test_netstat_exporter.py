"""Beside a distribution whose import package is called ``exporter``, too, the command says so and ends."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from exporter import __version__
from netstat_exporter import find_damaged, find_foreign
from tests.support.daemon import ROOT, run_once

LOUD = "print('foreign')\nraise RuntimeError('foreign')\n"
FOREIGN = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "fleet-tools"
version = "1.0"
scripts = {fleet = "exporter.__main__:main"}

[tool.hatch.build.targets.wheel]
packages = ["exporter"]
""",
    **{f"exporter/{name}.py": LOUD for name in ("__init__", "__main__", "cli", "early", "files")},
}


def build(folder: Path, project: Path) -> Path:
    """Build the wheel of a distribution."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files into a folder, and return it."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build our own wheel."""
    return build(tmp_path_factory.mktemp("ours"), ROOT)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of another distribution; each of its modules fails when it is imported."""
    project = write(tmp_path_factory.mktemp("project"), FOREIGN)
    return build(tmp_path_factory.mktemp("foreign"), project)


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """Make an environment without anything in it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    return tmp_path / "venv"


def pip(venv: Path, *words: str | Path) -> None:
    """Run pip for an environment."""
    command = [sys.executable, "-m", "pip", f"--python={venv / 'bin' / 'python'}", "--quiet", *words]
    subprocess.run(command, check=True, capture_output=True)


def install(venv: Path, *wheels: Path) -> Path:
    """Install wheels one after the other, and return where the package is."""
    for wheel in wheels:
        pip(venv, "install", "--no-deps", "--no-index", "--no-compile", wheel)
    (packages,) = venv.glob("lib/python3.*/site-packages")
    return packages / "exporter"


def assert_says(said: str, *command: str | Path, folder: str | Path = "/") -> None:
    """Run a command, which has to say this in one line, and nothing else."""
    run = subprocess.run(
        ["env", "--unset=PYTHONPATH", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    remedy = "install it into an environment of its own, for example with pipx"
    assert (2, "", f"netstat-exporter: {said}: {remedy}\n") == (run.returncode, run.stdout, run.stderr)


@pytest.mark.long
@pytest.mark.parametrize("ours_is_first", [True, False], ids=["ours first", "ours last"])
def test_another_distribution_is_noticed_and_said(
    ours_is_first: bool,  # noqa: FBT001 - pytest gives it by name
    wheel: Path,
    foreign: Path,
    venv: Path,
) -> None:
    """Before any of its modules is imported, whichever of the two pip installed last."""
    package = install(venv, *((wheel, foreign) if ours_is_first else (foreign, wheel)))
    said = f"fleet_tools 1.0 has an import package called exporter, too, and both are installed in {package}"
    for command in (
        (venv / "bin" / "netstat-exporter",),
        (venv / "bin" / "python", "-m", "netstat_exporter"),
    ):
        assert_says(said, *command)
    if ours_is_first:  # what its removal takes along is noticed, too
        pip(venv, "uninstall", "--yes", "fleet-tools")
        said = f"{package}/__init__.py is missing, or that of another distribution"
        assert_says(said, venv / "bin" / "netstat-exporter")


@pytest.mark.long
def test_a_package_that_python_finds_before_ours_is_noticed_and_said(
    wheel: Path, venv: Path, tmp_path: Path
) -> None:
    """As in a folder that Python is told to begin with."""
    package = install(venv, wheel)
    before = write(tmp_path / "before", FOREIGN)
    said = f"another import package called exporter, in {before}/exporter, comes before that in {package}"
    assert_says(said, venv / "bin" / "python", "-m", "netstat_exporter", folder=before)


@pytest.mark.long
def test_what_was_installed_has_to_be_there(wheel: Path, venv: Path) -> None:
    """A person who looks for a cause may change modules, but the first one has to be ours."""
    package = install(venv, wheel)
    packages = str(package.parent)
    for name, noticed in (("cli.py", None), ("__init__.py", str(package / "__init__.py"))):
        with open(package / name, "a", encoding="utf-8") as file:
            file.write("# changed\n")
        assert noticed == find_damaged(packages)
    (package / "cli.py").unlink()
    write(package, {"__init__.py": (ROOT / "exporter" / "__init__.py").read_text()})
    assert str(package / "cli.py") == find_damaged(packages)


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
        ("netstat_exporter.egg-info/top_level.txt", "exporter\nnetstat_exporter\n", None),
        ("~etstat_exporter-0.1.0.dist-info/RECORD", "exporter/__init__.py,,\n", None),
        ("fleet_tools-1.0.dist-info/METADATA", "exporter/__init__.py,,\n", None),
    ],
)
def test_a_conflict_is_what_another_distribution_notes(
    note: str, text: str, conflict: str | None, tmp_path: Path
) -> None:
    (tmp_path / note).parent.mkdir()
    (tmp_path / note).write_text(text)
    assert ([conflict] if conflict else []) == list(find_foreign(str(tmp_path)))


@pytest.mark.parametrize(
    ("notes", "damaged"),
    [
        ({"0.2.0": "exporter/__init__.py,sha256=x,5\nexporter/cli.py,sha256=x,9\n"}, None),
        ({"0.2.0": "exporter/__init__.py,sha256=x,4\n"}, "exporter/__init__.py"),
        ({"0.2.0": "exporter/gone.py,sha256=x,5\n"}, "exporter/gone.py"),
        ({"0.2.0": "exporter/compiled.py,sha256=x,5\n"}, None),
        # As pip install --target --upgrade leaves it.
        ({"0.1.0": "exporter/gone.py,sha256=x,5\n", "0.2.0": "exporter/__init__.py,sha256=x,5\n"}, None),
    ],
    ids=["as noted", "another size", "missing", "compiled only", "notes of an earlier version"],
)
def test_what_is_there_has_to_be_what_one_of_our_notes_says(
    notes: dict[str, str], damaged: str | None, tmp_path: Path
) -> None:
    modules = dict.fromkeys(("__init__.py", "cli.py", "compiled.pyc"), "12345")
    write(tmp_path, {f"exporter/{name}": text for name, text in modules.items()})
    write(tmp_path, {f"netstat_exporter-{each}.dist-info/RECORD": text for each, text in notes.items()})
    assert (damaged and str(tmp_path / damaged)) == find_damaged(str(tmp_path))


def test_it_runs_from_an_archive(tmp_path: Path) -> None:
    """As ``python -m zipapp`` makes them."""
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        for path in (ROOT / "netstat_exporter.py", *sorted((ROOT / "exporter").rglob("*.py"))):
            archive.write(path, path.relative_to(ROOT))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "app.zip")}
    run = subprocess.run(
        [sys.executable, "-m", "netstat_exporter", "--version"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.splitlines()[-1:] == [f"  package: {tmp_path / 'app.zip' / 'exporter'}"], run.stderr


def test_the_package_runs_as_the_command_does() -> None:
    command = [sys.executable, "-m", "exporter", "--version"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run_once("--version").stdout == run.stdout


def test_version_says_what_runs_and_from_where() -> None:
    run = run_once("--version")
    first, *more = run.stdout.splitlines()
    assert first.startswith(f"netstat-exporter, version {__version__} (revision: ")
    assert more == [
        f"  python:  CPython {sys.version.partition(' ')[0]}, {sys.executable}",
        f"  package: {ROOT / 'exporter'}",
    ]
