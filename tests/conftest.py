"""Options of the tests."""

import psutil
import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _psutil_looks_at_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what looking for processes below another procfs left in psutil."""
    monkeypatch.setattr(psutil, "PROCFS_PATH", "/proc")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let ``make golden`` write the golden page."""
    parser.addoption("--update-golden", action="store_true", help="write the golden page anew")
