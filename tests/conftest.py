"""Options of the tests."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let ``make golden`` write the golden page."""
    parser.addoption("--update-golden", action="store_true", help="write the golden page anew")
