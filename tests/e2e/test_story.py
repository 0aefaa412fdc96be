"""The story that ``make demo`` tells, four times as fast, and what is left of it when it is interrupted."""

import os
import signal
import subprocess
import sys

import pytest

from tests.support import requirements
from tests.support.daemon import ROOT
from tests.support.e2e.demo import INTERRUPTED
from tests.support.e2e.story import tell_story

pytestmark = [pytest.mark.live, pytest.mark.long, pytest.mark.usefixtures("isolation")]

DIVISOR = 240


def test_alerts_tell_of_a_leak_until_it_is_mended() -> None:
    tell_story(print, DIVISOR)


def test_nothing_is_left_of_an_interrupted_demo() -> None:
    """Ctrl-C is a SIGINT for all processes of the terminal."""
    for package in ("prometheus", "prometheus-alertmanager"):
        requirements.require_command(package, package)
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "tests.support.e2e.demo"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=pipe, stderr=subprocess.STDOUT, text=True, process_group=0
    ) as demo:
        assert demo.stdout is not None
        assert any(" up: " in line for line in demo.stdout)  # by then all of it runs
        os.killpg(demo.pid, signal.SIGINT)
        assert "Traceback" not in demo.stdout.read()  # which ends when all of them have ended
    assert demo.returncode == INTERRUPTED
