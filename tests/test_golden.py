"""The page of the captured tables is, line for line, the one that was looked at and kept.

``make golden`` writes it again; the difference is to be read.
"""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support import requirements
from tests.support.daemon import run_once

FIXTURES = Path(__file__).parent / "fixtures"
GOLDEN = FIXTURES / "page.prom"
ALL_TABLES = "tables: [tcp, tcp6, udp, udp6, udplite, udplite6, raw, raw6, unix]\nports: {always: [22]}\n"
BUILD = re.compile(r"(?<=netstat_exporter_build_info)\{.*\}")
VOLATILE = re.compile(r"^(netstat_exporter_\w*_seconds\b.*) \S+$", re.MULTILINE)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Count the captured tables, under a fixed services file."""
    folder = tmp_path_factory.mktemp("golden")
    (folder / "config.yaml").write_text(ALL_TABLES)
    (folder / "services").write_text("ssh 22/tcp\nsmtp 25/tcp\nhttp 80/tcp\nhttps 443/tcp\nipp 631/tcp\n")
    run = run_once(
        "--once",
        f"--path.procfs={FIXTURES / 'proc'}",
        f"--path.services={folder / 'services'}",
        f"--config.file={folder / 'config.yaml'}",
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_page_is_the_golden_one(page: str, request: pytest.FixtureRequest) -> None:
    steady = VOLATILE.sub(r"\1 *", BUILD.sub("{*}", page))
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(steady)
    assert GOLDEN.read_text() == steady


def test_page_keeps_the_rules_of_prometheus(page: str) -> None:
    promtool = requirements.require_command("promtool", "prometheus")
    check = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    assert (check.returncode, check.stdout, check.stderr) == (0, "", "")
