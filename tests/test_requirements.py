"""A test that cannot run says so, and counts as a failure where everything must run."""

import shutil

import pytest

from tests.support import requirements


@pytest.mark.parametrize(("demand", "outcome"), [("", pytest.skip.Exception), ("all", pytest.fail.Exception)])
def test_missing_command(monkeypatch: pytest.MonkeyPatch, demand: str, outcome: type[Exception]) -> None:
    """The message names the command and how to get it."""
    monkeypatch.setenv("NETSTAT_EXPORTER_REQUIRE", demand)
    with pytest.raises(
        outcome, match=r"needs the command no-such-command; to run it: apt-get install no-package"
    ):
        requirements.require_command("no-such-command", "no-package")


def test_present_command() -> None:
    """A command that is there is returned by its path."""
    assert shutil.which("sh") == requirements.require_command("sh", "dash")
