"""The commands of the README's section on security are right as they stand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.daemon import ROOT
from tests.support.requirements import require_command


def commands() -> list[str]:
    """Return the commands of the section's example, but for the one that goes to the folder."""
    text = (ROOT / "README.md").read_text().partition("\n## Secure it\n")[2]
    example = text.partition("```console\n")[2].partition("```")[0]
    (folder, *rest) = [line.removeprefix("$ ") for line in example.splitlines()]
    assert folder == "cd /etc/netstat-exporter"
    return rest


def test_they_make_a_configuration_that_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command, package in (("openssl", "openssl"), ("htpasswd", "apache2-utils")):
        require_command(command, package)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    script = "\n".join(["set -e -o pipefail", *commands()])
    run = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == "web.yaml: ok\n"
    assert (tmp_path / "web.key").stat().st_mode & 0o077 == 0
    promtool = require_command("promtool", "prometheus")
    subprocess.run([promtool, "check", "web-config", tmp_path / "web.yaml"], check=True, capture_output=True)
