"""Every alert has its runbook, whose commands can be pasted and whose log lines the exporter writes."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.daemon import ROOT
from tests.support.rules import ALERTS

FOLDER = ROOT / "docs" / "runbooks"
PAGES = sorted(FOLDER.glob("*.md"))
NAMES = {rule["alert"] for rule in ALERTS}
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
SOURCES = [path.read_text() for path in ROOT.glob("exporter/**/*.py")]
LOG_LINES = sorted({line for page in PAGES for line in re.findall(r"`log line: ([^`]+)`", page.read_text())})

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def read_blocks(page: Path, language: str) -> list[str]:
    """Return what is set apart as code of a language, without its indentation in a list."""
    blocks = re.findall(rf"^ *```{language}\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE)
    return [re.sub(r"^ +", "", block, flags=re.MULTILINE) for block in blocks]


def test_every_runbook_is_of_an_alert() -> None:
    assert sorted(NAMES) == [page.stem for page in PAGES]


@every_page
def test_runbook_has_its_sections(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {page.stem}\n")
    assert SECTIONS == re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert all(part.strip() for part in re.split(r"^## .*$", text, flags=re.MULTILINE))


@every_page
def test_runbook_says_which_connections_it_is_about(page: Path) -> None:
    assert {"inbound", "outbound"} <= set(re.findall(r"\*\*(\w+)\*\*", page.read_text()))


@every_page
def test_runbook_has_a_command_and_a_query(page: Path) -> None:
    assert read_blocks(page, "sh")
    assert read_blocks(page, "promql")
    assert set(re.findall(r"```(\w+)", page.read_text())) == {"sh", "promql"}


@every_page
def test_commands_can_be_pasted(page: Path) -> None:
    """No prompt, which a root shell takes for a comment; no placeholder; and what bash can parse."""
    for block in read_blocks(page, "sh"):
        for line in block.splitlines():
            assert not line.startswith(("#", "$", ">"))
            assert not re.search(r"\b(PID|OWNER|NAME|NUMBER|FILE|PORT)\b|<\w+>", line)
        subprocess.run(["bash", "-n"], input=block, text=True, check=True)
        used = set(re.findall(r"\$(\w{2,})", block))
        assert used <= set(re.findall(r"^(\w+)=", block, re.MULTILINE)) | named_before(page, block)


def named_before(page: Path, block: str) -> set[str]:
    """Return the variables that earlier blocks of a page set."""
    blocks = read_blocks(page, "sh")
    earlier = "\n".join(blocks[: blocks.index(block)])
    return set(re.findall(r"^(\w+)=", earlier, re.MULTILINE))


@pytest.mark.parametrize("line", LOG_LINES)
def test_log_line_is_written_by_the_exporter(line: str) -> None:
    assert any(f'"{line}"' in source for source in SOURCES)


@every_page
def test_what_is_searched_in_the_log_is_a_log_line(page: Path) -> None:
    """Each word that a command looks for in the exporter's log is part of a line that the page quotes."""
    text = page.read_text()
    quoted = re.findall(r"`log line: ([^`]+)`", text)
    for command in re.findall(r"journalctl[^\n]*netstat-exporter[^\n]*grep ([^\n|]*)", text):
        for pattern in re.findall(r"'([^']+)'", command):
            assert any(pattern in line for line in quoted)
