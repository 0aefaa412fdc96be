"""Options of the tests."""

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let ``make golden`` write the golden page."""
    parser.addoption("--update-golden", action="store_true", help="write the golden page anew")
