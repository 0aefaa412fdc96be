"""Options of the tests, and what is told and taken away at their end."""

import signal
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

from tests.support import leftovers

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _psutil_looks_at_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what looking for processes below another procfs left in psutil."""
    monkeypatch.setattr(psutil, "PROCFS_PATH", "/proc")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let ``make golden`` write the golden page."""
    parser.addoption("--update-golden", action="store_true", help="write the golden page anew")


def pytest_configure(config: pytest.Config) -> None:
    """Watch over the run where it is begun, not in the workers that it starts."""
    if not hasattr(config, "workerinput"):
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # fixtures clean up as after Ctrl-C
        config.pluginmanager.register(Run(leftovers.name_run()))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no worker is busy with it when the others are done.

    A worker passes the tests of a whole file, for which its fixtures are made once.
    """
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


class Run:
    """A run of the tests as a whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Fail when something is left behind."""
        yield
        if left := leftovers.end_leftovers(self._folder):
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
            print("\n".join(("", "left behind by the tests:", *left)))  # noqa: T201 - pytest's own is closed
        if session.testsfailed and any(self._folder.iterdir()):
            print(f"files of tests that failed: {self._folder}")  # noqa: T201
        else:
            leftovers.remove_run(self._folder)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was not run and why, a line a reason."""
        skipped = terminalreporter.getreports("skipped")
        reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
        if reasons:
            terminalreporter.section("not run")
        for reason, count in reasons.most_common():
            terminalreporter.line(f"{count:4} {'test ' if count == 1 else 'tests'}: {reason}")
