"""Live tests make real sockets in private network namespaces, and need root for it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import requirements
from tests.support.live.namespace import Namespace, private_namespace, two_hosts
from tests.support.live.unprivileged import readable_folder, require_unprivileged


@pytest.fixture(scope="session")
def isolation() -> None:
    """Make sure that private network namespaces can be made here."""
    requirements.require_root()
    for command, package in (("unshare", "util-linux"), ("nsenter", "util-linux"), ("ip", "iproute2")):
        requirements.require_command(command, package)
    allowed = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0
    requirements.require("needs a network namespace", "give the container CAP_SYS_ADMIN", met=allowed)


@pytest.fixture
def namespace(isolation: None) -> Iterator[Namespace]:
    """Give the test a private network namespace of its own."""
    del isolation
    with private_namespace() as made:
        yield made


@pytest.fixture
def hosts(isolation: None) -> Iterator[tuple[Namespace, Namespace]]:
    """Give the test a server's and a client's namespace, joined by a cable."""
    del isolation
    with two_hosts() as made:
        yield made


@pytest.fixture
def ss() -> None:
    """Make sure that ss is here."""
    requirements.require_command("ss", "iproute2")


@pytest.fixture
def unprivileged() -> list[str]:
    """Return the beginning of a command line of nobody, who has no capability and may read the project."""
    return [*require_unprivileged()]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder that anybody can read."""
    with readable_folder() as path:
        yield path
