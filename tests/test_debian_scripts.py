"""What is in the place of the package's configuration stays there, whatever becomes of the installation."""

import subprocess
from pathlib import Path

import pytest

from tests.support.daemon import ROOT


def run_script(root: Path, script: str, *words: str) -> None:
    """Run a script of the package as dpkg does, for files below a folder."""
    command = ["sh", str(ROOT / "debian" / f"netstat-exporter.{script}"), *words]
    subprocess.run(command, env={"PATH": "/usr/bin:/bin", "DPKG_ROOT": str(root)}, check=True)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Make the folder of the configuration, and say where its file will be."""
    (tmp_path / "etc" / "netstat-exporter").mkdir(parents=True)
    return tmp_path / "etc" / "netstat-exporter" / "config.yaml"


@pytest.mark.parametrize("end", ["abort-install", "purge"])
@pytest.mark.parametrize("is_link", [False, True], ids=["file", "link"])
def test_a_file_is_out_of_the_way_until_the_package_is_installed(
    end: str,
    is_link: bool,  # noqa: FBT001 - pytest gives it by name
    config: Path,
    tmp_path: Path,
) -> None:
    """It comes back if the package is purged before that, too."""
    written = tmp_path / "mine.yaml" if is_link else config
    written.write_text("mine")
    if is_link:
        config.symlink_to(written)
    run_script(tmp_path, "preinst", "install")
    assert not config.exists()
    run_script(tmp_path, "postrm", end)
    assert (config.read_text(), config.is_symlink()) == ("mine", is_link)
    assert [config] == list(config.parent.iterdir())


def test_a_directory_is_left_where_it_is(config: Path, tmp_path: Path) -> None:
    """It could not be moved back over the package's file; dpkg leaves it, and warns."""
    config.mkdir()
    run_script(tmp_path, "preinst", "install")
    assert config.is_dir()


def test_a_new_version_moves_nothing(config: Path, tmp_path: Path) -> None:
    config.write_text("mine")
    run_script(tmp_path, "preinst", "install", "0.1.0")
    run_script(tmp_path, "preinst", "upgrade", "0.1.0")
    assert config.read_text() == "mine"
