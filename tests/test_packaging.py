"""The wheel and the sdist hold what they should, and what is installed from them runs."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support.daemon import ROOT

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    return folder


def test_wheel_has_the_package_and_nothing_else(distributions: Path) -> None:
    (wheel,) = distributions.glob("netstat_exporter-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packaged = {name for name in archive.namelist() if ".dist-info/" not in name}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "exporter").rglob("*.py")}
    assert modules | {"exporter/py.typed"} == packaged


def test_sdist_has_what_its_tests_need(distributions: Path) -> None:
    (sdist,) = distributions.glob("netstat_exporter-*.tar.gz")
    with tarfile.open(sdist) as archive:
        packaged = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"tests/conftest.py", "Makefile", "README.md", "LICENSE", "config.example.yaml"}
    needed |= {
        "systemd/netstat-exporter.service",
        "prometheus/alerts.yml",
        "prometheus/generate.py",
        "kubernetes/operator/podmonitor.yaml",
        "Containerfile",
        "requirements-build.lock",
        "grafana/dashboard.yaml",
    }
    assert needed <= packaged


def test_installed_command_runs(distributions: Path, tmp_path: Path) -> None:
    (wheel,) = distributions.glob("netstat_exporter-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    binaries = tmp_path / "venv" / "bin"
    pip = [sys.executable, "-m", "pip", f"--python={binaries / 'python'}"]
    subprocess.run([*pip, "install", "--quiet", wheel], check=True, capture_output=True)
    run = subprocess.run(
        [binaries / "netstat-exporter", "--once"], cwd="/", capture_output=True, text=True, check=True
    )
    assert "netstat_exporter_build_info" in run.stdout
