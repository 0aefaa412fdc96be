"""The image, built by Buildah as ``make image`` does, on a Debian that mmdebstrap made.

No registry is asked: the base is a tree of files, and pip has the wheels that the locks name.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.live.debian_tree import make_tree
from tests.support.live.machine import gather_wheels
from tests.support.live.namespace import ROOT

BASE: Final = "localhost/base"
PIP: Final = "[global]\nno-index = true\nfind-links = /wheels\n"
# Of no use to a build, and a third of the tree.
LEFT_OUT: Final = ("./var/cache/apt", "./usr/share/doc", "./usr/share/locale", "./usr/share/man")
IMPORT: Final = """
made=$({buildah} from scratch)
tar {taken} | tar -C "$({buildah} mount $made)" -x
{buildah} commit --rm --quiet $made {name}
"""
PRIVATE_MOUNTS: Final = ("unshare", "--mount")  # with which what Buildah mounts is gone when it ends


class Store(NamedTuple):
    """A folder that has images."""

    folder: Path

    @property
    def options(self) -> list[str]:
        """What leads Buildah and Podman to it."""
        images, run = self.folder / "images", self.folder / "run"
        return [f"--root={images}", f"--runroot={run}", "--storage-driver=overlay"]

    @property
    def buildah(self) -> str:
        """The beginning of a command line of Buildah."""
        return " ".join(["buildah", *self.options])

    def run(self, *words: str) -> str:
        """Run Buildah, and return what it printed; raises CalledProcessError."""
        return _run(*self.buildah.split(), *words)

    def build(self, *arguments: str) -> str:
        """Build the image from the base, and return its name; raises CalledProcessError."""
        pip, wheels = self.folder / "pip.conf", self.folder / "wheels"
        given = [
            *("--isolation=chroot", f"--build-arg=BASE={BASE}"),
            *(f"--volume={wheels}:/wheels:ro", f"--volume={pip}:/etc/pip.conf:ro"),
            *arguments,
        ]
        _run("make", "image", f"BUILDAH={self.buildah}", f"ARGS={' '.join(given)}")
        return self.run(
            "images", "--format={{.Name}}:{{.Tag}}", "--filter=reference=netstat-exporter"
        ).strip()

    @contextmanager
    def files(self, image: str) -> Iterator[Path]:
        """Give the files of an image, for as long as the block lasts."""
        container = self.run("from", "--pull-never", image).strip()
        try:
            folder = self.folder / "files"
            shutil.rmtree(folder, ignore_errors=True)
            _run("sh", "-c", f'cp -a "$({self.buildah} mount {container})" {folder}')
            yield folder
        finally:
            self.run("rm", container)


def make_store(folder: Path) -> Store:
    """Return a store with the base in it; raises MachineError and CalledProcessError."""
    store, tree, wheels = Store(folder), make_tree(), folder / "wheels"
    wheels.mkdir()
    gather_wheels(wheels)
    (folder / "pip.conf").write_text(PIP)
    taken = " ".join([*(f"--exclude={path}" for path in LEFT_OUT), f"-C {tree}", "-c ."])
    _run("sh", "-e", "-c", IMPORT.format(buildah=store.buildah, taken=taken, name=BASE))
    return store


def _run(*command: str) -> str:
    return subprocess.run(
        [*PRIVATE_MOUNTS, *command], check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ).stdout
