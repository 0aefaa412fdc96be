"""The wheel and the sdist hold what they should, are the same at every build, and run when installed."""

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

import exporter
from hatch_build import describe
from tests.support.daemon import ROOT, parse_page
from tests.support.requirements import require

pytestmark = pytest.mark.long


BUILD = (sys.executable, "-m", "build", "--no-isolation", "--outdir")
ENVIRONMENT = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([*BUILD, folder, ROOT], check=True, capture_output=True, env=ENVIRONMENT)
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Iterator[zipfile.ZipFile]:
    """Open the wheel."""
    (file,) = distributions.glob("netstat_exporter-*.whl")
    with zipfile.ZipFile(file) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    """Return what an index of packages shows."""
    return message_from_bytes(wheel.read(f"netstat_exporter-{exporter.__version__}.dist-info/METADATA"))


def test_wheel_has_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    packaged = {name for name in wheel.namelist() if ".dist-info/" not in name}
    files = {path for path in (ROOT / "exporter").rglob("*") if path.is_file() and path.suffix != ".pyc"}
    added = {"exporter/revision.txt", "netstat_exporter.py"}
    assert {str(path.relative_to(ROOT)) for path in files} | added == packaged


def test_wheel_says_which_commit_it_is(wheel: zipfile.ZipFile) -> None:
    assert wheel.read("exporter/revision.txt").decode() == f"{describe(ROOT)}\n"


def test_metadata_leads_to_everything_a_user_looks_for(metadata: Message) -> None:
    urls = dict(url.split(", ") for url in metadata.get_all("Project-URL", []))
    assert set(urls) == {"Homepage", "Documentation", "Changelog", "Source", "Issues"}
    assert {"Author", "Summary", "Keywords", "License-Expression", "Requires-Python"} <= set(metadata)
    assert metadata.get_all("License-File") == ["LICENSE"]


def test_links_of_the_description_are_files_of_this_version(metadata: Message) -> None:
    """An index of packages has nothing that a relative link could lead to."""
    links = re.findall(r"\]\(([^)\s]+)\)", str(metadata.get_payload()))
    own = re.compile(rf"https://github\.com/[^/]+/[^/]+/(blob|raw)/v{exporter.__version__}/([^#]+)")
    leading = [own.fullmatch(link.partition("#")[0]) for link in links if not link.startswith("#")]
    found = {match[2]: match[1] for match in leading if match}
    assert found["docs/metrics.md"] == "blob"
    assert all((ROOT / name).exists() for name in found)
    assert all(link.startswith(("#", "https://")) for link in links)


def test_two_builds_are_the_same_byte_by_byte(distributions: Path, tmp_path: Path) -> None:
    """In another folder, of files with other times and permissions."""
    (sdist,) = distributions.glob("*.tar.gz")
    subprocess.run(["tar", "-xzf", sdist, "-C", tmp_path, "--touch"], check=True)
    (folder,) = tmp_path.iterdir()
    subprocess.run(["chmod", "-R", "go=", folder], check=True)
    again = tmp_path / "dist"
    both = ("--sdist", "--wheel")
    subprocess.run([*BUILD, again, *both, folder], check=True, capture_output=True, env=ENVIRONMENT)
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in distributions.iterdir()
    }


def test_documents_and_manifests_name_this_version() -> None:
    """In the names of files that are released and of the image, so that commands work as they stand."""
    named = re.compile(
        r"netstat[-_]exporter(?:[-_:]|/blob/v|, version )([0-9]+\.[0-9]+\.[0-9]+)|newTag: (\S+)"
    )
    files = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "kubernetes").rglob("*.yaml")]
    found = {"".join(match) for file in files for match in named.findall(file.read_text())}
    assert found == {exporter.__version__}


def test_sdist_has_what_its_tests_need(distributions: Path) -> None:
    (sdist,) = distributions.glob("netstat_exporter-*.tar.gz")
    with tarfile.open(sdist) as archive:
        packaged = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"tests/conftest.py", "Makefile", "README.md", "LICENSE", "config.example.yaml"}
    needed |= {
        "systemd/netstat-exporter.service",
        "prometheus/alerts.yml",
        "mixin/mixin.libsonnet",
        "mixin/render.py",
        "kubernetes/operator/podmonitor.yaml",
        "Containerfile",
        "requirements-build.lock",
        "hatch_build.py",
        "netstat_exporter.py",
        "debian/rules",
        "mixin/dashboards/host.libsonnet",
        "completions/_netstat-exporter",
        "man/netstat-exporter.1",
    }
    assert needed <= packaged


def test_the_bill_of_materials_has_what_is_installed_and_nothing_else() -> None:
    bill = ROOT / "dist" / "netstat-exporter.cdx.json"
    require(f"needs {bill}", "make sbom", met=bill.exists())
    made = json.loads(bill.read_text())
    root, parts = made["metadata"]["component"], made["components"]
    assert ("netstat-exporter", exporter.__version__) == (root["name"], root["version"])
    locked = re.findall(r"^([\w-]+)==([^ ]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert {(name_of(name), version) for name, version in locked} == {
        (name_of(part["name"]), part["version"]) for part in parts
    }


def name_of(distribution: str) -> str:
    """Return a name as it is compared."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_installed_command_runs_and_says_what_it_is(distributions: Path, tmp_path: Path) -> None:
    (wheel,) = distributions.glob("netstat_exporter-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    binaries = tmp_path / "venv" / "bin"
    pip = [sys.executable, "-m", "pip", f"--python={binaries / 'python'}"]
    subprocess.run([*pip, "install", "--quiet", wheel], check=True, capture_output=True)
    command = ("env", "--unset=PYTHONPATH", "--chdir=/", binaries / "netstat-exporter", "--once")
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    (labels,) = [
        dict(pairs) for name, pairs in parse_page(run.stdout) if name == "netstat_exporter_build_info"
    ]
    assert (labels["version"], labels["revision"]) == (exporter.__version__, describe(ROOT))
