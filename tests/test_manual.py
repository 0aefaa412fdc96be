"""The manual page is what the parser gives, and man(1) has nothing to say against it.

``make golden`` writes it again.
"""

import re
import subprocess

from exporter.flags import EVERY_OPTION
from exporter.options import name_variable
from man.generate import PAGE, render_page
from tests.support.requirements import require_command


def test_the_page_is_that_of_the_parser() -> None:
    assert render_page() == PAGE.read_text()


def test_groff_finds_nothing_wrong() -> None:
    groff = require_command("groff", "groff-base")
    run = subprocess.run(
        [groff, "-man", "-ww", "-z", PAGE], capture_output=True, text=True, check=False, timeout=30
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_mandoc_finds_nothing_wrong_but_that_it_has_no_date() -> None:
    mandoc = require_command("mandoc", "mandoc")
    run = subprocess.run(
        [mandoc, "-T", "lint", "-W", "warning", PAGE], capture_output=True, text=True, check=False, timeout=30
    )
    assert [line for line in run.stdout.splitlines() if "missing date" not in line] == []


def test_man_shows_every_flag_and_variable() -> None:
    man = require_command("man", "man-db")
    run = subprocess.run(
        [man, "-l", PAGE],
        env={"MANPAGER": "cat", "MANWIDTH": "200", "LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    shown = re.sub(r".\x08", "", run.stdout)
    assert "\nNAME\n       netstat-exporter - count sockets" in shown
    for flag, option in EVERY_OPTION.items():
        assert re.search(rf"^ +{re.escape(flag)}\b", shown, re.MULTILINE)
        assert not option.has_variable or name_variable(flag) in shown
